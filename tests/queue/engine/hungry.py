"""An engine that asks for 600 MB at once and then touches them, 20 MB at a time."""

import mmap
import time
from collections.abc import Callable
from typing import Any

from jobs.runner.child import Control

MB = 1 << 20


def run(task: dict[str, Any], emit: Callable[[dict[str, Any]], None], control: Control) -> None:
    del task, control
    emit({"type": "started"})
    with mmap.mmap(-1, 600 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as taken:
        for start in range(0, 600 * MB, 20 * MB):
            taken[start : start + 20 * MB] = b"x" * (20 * MB)
            time.sleep(0.02)
    emit({"type": "done", "reason": "done"})
