"""Computers of their own, as far as the network goes: each in a namespace, on a cable that can be pulled."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

SUBNETS = "198.18"  # RFC 2544: for tests, never routed


def why_not() -> str:
    """Why there are none on this machine; empty where there are."""
    if os.geteuid() != 0:
        return "Network namespaces are made by root, and we are not root."
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "There is no ip or no nsenter here. On Debian: apt-get install iproute2 util-linux"
    try:
        with network("x", 255):
            return ""
    except subprocess.CalledProcessError as error:
        return f"This machine makes no network namespaces: {error.stderr.strip()}"


@dataclass(frozen=True)
class Network:
    """A namespace with one cable to this machine, which is `host` at the other end."""

    name: str
    cable: str
    host: str

    @property
    def within(self) -> tuple[str, ...]:
        """A command line to put before another, which then has this network alone."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    @contextlib.contextmanager
    def pulled(self) -> Iterator[None]:
        """The cable is out: nothing gets through, and nobody is told."""
        _ip("link", "set", self.cable, "down")
        try:
            yield
        finally:
            _ip("link", "set", self.cable, "up")


@contextlib.contextmanager
def network(name: str, number: int) -> Iterator[Network]:
    """One that goes with the block; numbers are from 0 to 255."""
    namespace, cable, other = (f"gm{os.getpid()}{name}{end}" for end in ("", "h", "n"))
    host, address = f"{SUBNETS}.{number}.1", f"{SUBNETS}.{number}.2"
    _ip("netns", "add", namespace)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", other, "netns", namespace)
        _ip("address", "add", f"{host}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        for command in (
            ("address", "add", f"{address}/30", "dev", other),
            ("link", "set", other, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", namespace, *command)
        yield Network(namespace, cable, host)
    finally:
        _ip("netns", "delete", namespace)
        subprocess.run(["ip", "link", "delete", cable], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
