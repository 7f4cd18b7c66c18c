"""One process tree: start the children in order, restart what dies, end them all when told, leave no orphan."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.core.telemetry import turning
from portal.kit import process

log = logging.getLogger(__name__)

POLL_S = 0.2
STABLE_S = 10.0  # who ran so long did not fail at its start, and is started again at once
BACKOFF_MAX_S = 15.0


@dataclass
class Program:
    """A child to keep alive.

    `grace_s`: how long it may take to end after SIGTERM. `ready`: returns once it can be used; the next child is
    started after that. On Linux the kernel kills it when we are killed.

    Its log turns when it is full (`portal.core.telemetry.turning`): at its start, and if it `opens_log` by name for
    every line, here while it runs. Other programs do it themselves (`portal.core.telemetry.logs.Turning`).
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    grace_s: float = 10.0
    ready: Callable[[], None] = lambda: None
    opens_log: bool = False
    log_size: turning.Size = turning.USUAL
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)
    due: float = field(default=0.0, init=False)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.turn_log()
        with self.log.open("ab") as output:
            self.process = process.spawn(
                self.argv, env=self.env, stdout=output, stderr=output, leashed=sys.platform == "linux"
            )
        self.started_at = time.monotonic()

    def turn_log(self) -> None:
        """Begin a new log file when this one is full; whoever has the old one open goes on in it."""
        turning.turn_if_full(self.log, self.log_size)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs `programs` until `stop` is called."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = list(programs)
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def start(self) -> None:
        """Start every program in order. Raises what a `ready` raises, after ending those already started."""
        try:
            for program in self.programs:
                program.start()
                program.ready()
        except BaseException:
            self.end()
            raise

    def watch(self) -> None:
        """Restart what dies, more and more slowly if it keeps dying, until told to stop."""
        while not self._stop.wait(POLL_S):
            for program in self.programs:
                if not program.alive:
                    self._revive(program)
                elif program.opens_log:
                    self._turn_log(program)

    def _turn_log(self, program: Program) -> None:
        try:
            program.turn_log()
        except OSError as error:
            log.warning("the log of %s can't be turned: %s", program.name, error)

    def _revive(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is not None:
            self._put_off(program, now, f"ended after {now - program.started_at:.0f} s (see {program.log})")
        elif now >= program.due:
            try:
                program.start()
            except OSError as error:  # no memory, no disk: one program waits, the others live
                program.started_at = now
                self._put_off(program, now, f"could not be started: {error}")

    def _put_off(self, program: Program, now: float, why: str) -> None:
        lasted, program.process = now - program.started_at, None
        program.failures = 0 if lasted > STABLE_S else program.failures + 1
        delay = min(BACKOFF_MAX_S, 0.2 * 2**program.failures)
        program.due = now + delay
        log.warning("%s %s: starting it in %.1f s", program.name, why, delay)

    def end(self) -> None:
        """End every program, last started first; whoever does not go in its grace time is killed."""
        for program in reversed(self.programs):
            self._end(program)

    def _end(self, program: Program) -> None:
        if program.process is not None:
            process.stop(program.process, grace=program.grace_s)
