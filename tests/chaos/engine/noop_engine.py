"""What runs in the sandbox: the real engine, or one that holds its accelerator for a while and writes down when.

Lines of JSON go to a file that the jobs of a member share on a node, each in one write: when a run began, every little
while that it lives, and as its effect when it ends.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from jobs.engine.ends import End, Reason
from jobs.engine.events import Control, Emit, Reporter

SLICE_S = 0.25
TELL_S = 1.0  # a training that told more often would be as loud


def run(task: dict[str, Any], emit: Emit, control: Control) -> None:
    if task.get("kind") != "noop":
        from jobs.engine import main

        main.run(task, emit, control)
        return
    reporter = Reporter(emit, control)
    reporter.started()
    if _hold(task, reporter):
        reporter.done(End(Reason.DONE, "It did nothing, for as long as it was told."))
    else:
        reporter.done(End(Reason.INTERRUPTED, "It was asked to leave."))


def _hold(task: dict[str, Any], reporter: Reporter) -> bool:
    """Whether it came to its end."""
    effects = os.open(Path(task["cache"]) / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    began = told = time.monotonic()
    whole = max(task["seconds"], 1e-9)
    _write(effects, task, "began")
    while (left := began + whole - time.monotonic()) > 0:
        if reporter.must_leave:
            return False
        time.sleep(min(SLICE_S, left))
        _write(effects, task, "alive")
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            reporter.progress("training", 1 - max(left, 0) / whole)
    _write(effects, task, "ended")
    return True


def _write(effects: int, task: dict[str, Any], what: str) -> None:
    line = {"job": task["job"], "attempt": task["attempt"], "what": what, "at": time.monotonic()}
    os.write(effects, (json.dumps(line) + "\n").encode())
