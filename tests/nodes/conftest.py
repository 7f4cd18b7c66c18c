"""A node with a processor and a GPU."""

from typing import Any

import pytest

from hardware.nodes import services
from hardware.nodes.models import Node
from portal.kit import identity

GIB = 1024**3
ELSEWHERE = "another-boot.4026531836/1234/5678"  # a worker of which nobody here can tell whether it lives
CPU = {"kind": "cpu", "index": 0, "model": "Ryzen", "memory_bytes": 32 * GIB}
GPU = {"kind": "gpu", "index": 0, "model": "RTX 3060", "memory_bytes": 12 * GIB}


def registered(
    *accelerators: dict[str, Any],
    key: str = "k1",
    name: str = "mill-1",
    worker: str = "",
    after: str = "",
) -> Node:
    probe = {"accelerators": list(accelerators)}
    sandbox = {"available": True}
    return services.register(name=name, key=key, probe=probe, sandbox=sandbox, worker=worker, after=after)


def long_gone() -> str:
    """A worker of this machine that has ended: its number is another process's by now."""
    where, pid, born = identity.me().split("/")
    return f"{where}/{pid}/{int(born) - 1}"


@pytest.fixture
def mill(db: None) -> Node:
    return registered(CPU, GPU)
