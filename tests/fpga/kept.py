"""Where tests keep what is made once: bitstreams, and programs that simulate circuits."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gristmill"
CACHE = HOME / "rtl"
"""Simulated engines, by a hash of what they were made from."""
KEPT = HOME / "fpga"
"""Bitstreams and simulations as `hardware.fpga.prepare` keeps those of prepared boards."""


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time: the others wait, and find what it made."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
