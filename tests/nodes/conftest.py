"""A node with a processor and a GPU."""

from typing import Any

import pytest

from hardware.nodes import services
from hardware.nodes.models import Node

GIB = 1024**3
CPU = {"kind": "cpu", "index": 0, "model": "Ryzen", "memory_bytes": 32 * GIB}
GPU = {"kind": "gpu", "index": 0, "model": "RTX 3060", "memory_bytes": 12 * GIB}


def registered(*accelerators: dict[str, Any], key: str = "k1", name: str = "mill-1") -> Node:
    probe = {"accelerators": list(accelerators)}
    return services.register(name=name, key=key, probe=probe, sandbox={"available": True})


@pytest.fixture
def mill(db: None) -> Node:
    return registered(CPU, GPU)
