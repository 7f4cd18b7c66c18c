"""By which names and addresses this machine can be reached."""

import socket

import psutil


def of_this_machine() -> list[str]:
    """Its name, with `.local` and its domain, and the addresses of its interfaces, as a `Host` header gives them."""
    plain = socket.gethostname().lower()
    known = {"localhost", "127.0.0.1", "[::1]", plain, f"{plain.partition('.')[0]}.local"}
    for interface in psutil.net_if_addrs().values():
        known |= {
            _as_host(each.address) for each in interface if each.family in {socket.AF_INET, socket.AF_INET6}
        }
    return sorted(known)


def _as_host(address: str) -> str:
    """An address without its scope, an IPv6 one in brackets."""
    plain = address.partition("%")[0]
    return f"[{plain}]" if ":" in plain else plain
