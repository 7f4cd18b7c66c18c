"""What a task says while it runs, and what it is told: plain dicts out, one word in."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.engine.ends import End, InterruptedByRequestError

Event = dict[str, Any]
Emit = Callable[[Event], None]
PROGRESS_EVERY_S = 0.25
# The share of a whole job that each phase is taken to need.
PHASES: dict[str, tuple[float, float]] = {
    "loading": (0.0, 0.05),
    "training": (0.05, 0.94),
    "evaluating": (0.94, 0.96),
    "explaining": (0.96, 0.98),
    "exporting": (0.98, 1.0),
}
MAX_LOG = 16_000


class Control(Protocol):
    """What the supervisor wants: "" go on, "checkpoint" save and end, "stop" keep the best so far and finish."""

    @property
    def command(self) -> str: ...


@dataclass
class Wish:
    """A control that is set by hand."""

    command: str = ""


class Reporter:
    """The events of one task, in order. `phases` are the shares of the whole that the phases take."""

    def __init__(
        self,
        emit: Emit,
        control: Control,
        *,
        phases: Mapping[str, tuple[float, float]] = PHASES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._control = control
        self._phases = phases
        self._clock = clock
        self._said_at = -PROGRESS_EVERY_S
        self._phase = ""

    def started(self) -> None:
        self._emit({"type": "started"})

    def progress(self, phase: str, fraction: float, **position: float) -> None:
        """How far a phase is, 0..1; `position` may name step, steps, epoch, epochs, and steps_per_s once that is known.
        Told four times a second.
        """
        now = self._clock()
        if phase == self._phase and now - self._said_at < PROGRESS_EVERY_S:
            return
        self._said_at, self._phase = now, phase
        start, end = self._phases[phase]
        whole = start + (end - start) * min(max(fraction, 0.0), 1.0)
        self._emit({"type": "progress", "phase": phase, "fraction": round(whole, 4), **position})

    def metric(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        self._emit({"type": "metric", "step": step, "epoch": epoch, "values": dict(values)})

    def log(self, text: str) -> None:
        self._emit({"type": "log", "text": text[-MAX_LOG:]})

    def checkpoint(self, step: int, path: Path, seconds: float) -> None:
        """A checkpoint lies at `path`; the training stood still for so many `seconds` to write it."""
        event = {"type": "checkpoint", "step": step, "path": str(path), "checkpoint_s": round(seconds, 3)}
        self._emit(event)

    def artefact(self, name: str, path: Path) -> None:
        self._emit({"type": "artefact", "name": name, "path": str(path)})

    def done(self, end: End, summary: Mapping[str, Any] | None = None) -> None:
        event = {
            "type": "done",
            "reason": str(end.reason),
            "message": end.message,
            "summary": dict(summary or {}),
        }
        self._emit(event)

    @property
    def must_leave(self) -> bool:
        """Whether to save a checkpoint and end."""
        return self._control.command == "checkpoint"

    @property
    def must_stop(self) -> bool:
        """Whether to keep the best so far and finish."""
        return self._control.command == "stop"

    def leave_if_asked(self) -> None:
        """Raise InterruptedByRequestError when asked to leave: for work whose state need not be saved."""
        if self.must_leave:
            raise InterruptedByRequestError
