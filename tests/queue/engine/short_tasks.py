"""An engine whose trainings are soon over: what the attempts' tests fork. Its last word says what it saw."""

import time
from collections.abc import Callable
from typing import Any

from jobs.runner.child import Control


def run(task: dict[str, Any], emit: Callable[[dict[str, Any]], None], control: Control) -> None:
    emit({"type": "started"})
    said = {"obey": obey, "count": count}[task["params"]["do"]](emit, control)
    emit({"type": "done", "reason": "nan_loss", "message": said})


def obey(emit: Callable[[dict[str, Any]], None], control: Control) -> str:
    """Waits for a command."""
    del emit
    while not control.command:
        time.sleep(0.01)
    return control.command


def count(emit: Callable[[dict[str, Any]], None], control: Control) -> str:
    """Counts to thirty within three seconds, in metrics, logs and progress."""
    del control
    for step in range(30):
        emit({"type": "metric", "step": step, "values": {"step": step}})
        emit({"type": "log", "text": f"step {step}"})
        emit({"type": "progress", "fraction": step / 30, "step": step})
        time.sleep(0.1)
    return "counted"
