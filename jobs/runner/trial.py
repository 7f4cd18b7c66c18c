"""`python -m jobs.runner.trial`: runs inside a sandbox and says as JSON what it finds there. For
`sandbox.probe`.
"""

import json
import os
import socket
import sys
from pathlib import Path

from jobs.runner import confine

NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def namespaces() -> dict[str, str]:
    """The identity of each namespace of this process, to be compared with the portal's."""
    return {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in NAMESPACES}


def findings(canary: str) -> dict[str, object]:
    """`canary` is a host file that exists outside and must not be seen here."""
    status = dict(line.split(":\t", 1) for line in _text("/proc/self/status").splitlines() if ":\t" in line)
    return {
        "namespaces": namespaces(),
        "user": os.getuid(),
        "capabilities": int(status.get("CapEff", "0"), 16),
        "no_new_privileges": status.get("NoNewPrivs", "0").strip() == "1",
        "canary": Path(canary).exists(),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "environment": sorted(os.environ),
        "root_writable": os.access("/", os.W_OK) or os.access("/usr", os.W_OK),
        "filtered": status.get("Seccomp", "0").strip() == "2",
        "nested": confine.trial(),
    }


def _text(path: str) -> str:
    return Path(path).read_text(encoding="ascii", errors="replace")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(findings(sys.argv[1])) + "\n")
