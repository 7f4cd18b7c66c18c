"""Hostile programs, each a function that tries one way out and says what it got.

They run as a program of their own (`python -m tricks`) and as a task that the warm parent forks (`tricks.task`). They
import the standard library only, and whatever they try is bounded: where nothing holds them they do no harm.
"""

import json
from collections.abc import Callable
from typing import Any

from tricks import kernel, leaving, network, processes, reading, taking

Found = dict[str, Any]
TRICKS: dict[str, Callable[[Found], Found]] = {
    name: function
    for module in (kernel, leaving, network, processes, reading, taking)
    for name, function in vars(module).items()
    if callable(function) and getattr(function, "__module__", "") == module.__name__ and name[0] != "_"
}


def task(task: Found, emit: Callable[[Found], None], control: object) -> None:
    """As `jobs.engine.main.run` is called."""
    emit({"type": "started"})
    asked = task | task.get("params", {})
    found = TRICKS[asked["trick"]](asked | {"emit": emit})
    emit({"type": "log", "text": json.dumps(found)})
    emit({"type": "found", "found": found})
    del control
