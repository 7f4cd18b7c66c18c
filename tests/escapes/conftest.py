"""A node with a hostile job on it, in every mode there is, started in both ways that jobs are started.

In the weaker modes an escape may succeed, if the report for the steward says so: `Hut.held_or_told`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from jobs.runner import leftovers, once, sandbox
from jobs.runner.bubble import ROOT, Level
from jobs.runner.limits import MIB, Exit, Limits
from jobs.runner.mounts import Mounts
from jobs.runner.running import Running
from jobs.runner.sandbox import SandboxReport
from jobs.runner.warm import WarmParent

HERE = Path(__file__).parent
LIMITS = Limits(seconds=30, memory_bytes=400 * MIB, disk_bytes=64 * MIB, processes=64, tmp_bytes=300 * MIB)
MARK = "grain that belongs to bob"
WHOLE = sandbox.probe()
MODES: dict[str, SandboxReport] = {
    "whole": WHOLE,
    "watched": replace(WHOLE, groups=None),
    "same-user": replace(WHOLE, level=Level.SAME_USER, groups=None),
    "off": sandbox.unconfined(),
}
Event = dict[str, Any]


@dataclass
class Ran:
    """What a hostile job said, and how it ended."""

    events: list[Event]
    end: Exit

    @property
    def found(self) -> dict[str, Any]:
        said = [event["found"] for event in self.events if event.get("type") == "found"]
        assert said, (self.end, self.events[-3:])
        found: dict[str, Any] = said[-1]
        return found


@dataclass
class Hut:
    """A node, and what on it is not the job's."""

    mode: str
    home: Path
    warm: WarmParent
    blobs: Path
    blob: Path
    ran: list[Running] = field(default_factory=list)

    @property
    def report(self) -> SandboxReport:
        return self.warm.report

    @property
    def is_whole(self) -> bool:
        return self.mode == "whole" and WHOLE.available and WHOLE.nested

    def folder(self, job: str) -> Path:
        return self.home / "attempts" / job

    def program(self, trick: str, *, job: str = "mallory", limits: Limits = LIMITS, **asked: Any) -> Ran:
        """As the check of an upload or a member's script runs."""
        out, cache = self.folder(job) / "out", self.home / "cache" / job
        for folder in (out, cache):
            folder.mkdir(parents=True, exist_ok=True)
        read_only = {HERE: "/escapes", self.blob: "/job/in/upload"}
        mounts = Mounts(read_only=read_only, writable={out: "/job/out", cache: "/cache"})
        spec = _spec(trick, asked)
        off = self.report.level is Level.NONE
        argv = [sys.executable, "-m", "tricks", json.dumps(mounts.translated(spec) if off else spec)]
        events: list[Event] = []
        end = once.run(
            argv,
            read_only=read_only,
            writable={out: "/job/out", cache: "/cache"},
            limits=limits,
            on_line=lambda line: events.append(_event(line)),
            env={"PYTHONPATH": f"{ROOT}:{HERE if off else '/escapes'}"},
            report=self.report,
        )
        return Ran(events, end)

    def begin(
        self, trick: str, *, job: str = "mallory", limits: Limits = LIMITS, options: Any = None, **asked: Any
    ) -> Running:
        """A task in a forked child of the warm parent, as training runs."""
        running = self.warm.run(
            _spec(trick, asked),
            job_dir=self.folder(job),
            cache=self.home / "cache" / job,
            read_only={self.blob: "/job/in/upload"},
            limits=limits,
            timeout=30,
            **(options or {}),
        )
        self.ran.append(running)
        return running

    def task(self, trick: str, **asked: Any) -> Ran:
        running = self.begin(trick, **asked)
        return Ran(list(running.events), running.wait(30))

    def held_or_told(self, held: bool, sentence: str) -> None:
        """It failed; or, where not all can be had, the steward is told."""
        told = any(sentence in missing for missing in self.report.missing)
        assert held or (told and not self.is_whole), (self.mode, sentence, self.report.missing)


Run = Callable[..., Ran]


def _spec(trick: str, asked: dict[str, Any]) -> dict[str, Any]:
    inside = {"out": "/job/out", "cache": "/cache", "input": "/job/in/upload"}
    return {"trick": trick, **inside, **asked}


def _event(line: str) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


@pytest.fixture(scope="session")
def hut_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Hut]]:
    opened: dict[str, Hut] = {}

    def of(mode: str) -> Hut:
        if mode not in opened:
            opened[mode] = _open(mode, tmp_path_factory.mktemp(mode))
        return opened[mode]

    yield of
    for hut in opened.values():
        for running in hut.ran:
            running.kill()
        hut.warm.close()
        leftovers.remove(hut.home)  # pytest's own clearing up would fail on it, and on every later run


def _open(mode: str, top: Path) -> Hut:
    for name in ("blobs", "home"):
        (top / name).mkdir(mode=0o700)
    blob = top / "blobs" / "upload"
    blob.write_text("mallory's own", encoding="ascii")
    warm = WarmParent(
        top / "home",
        target="tricks:task",
        preload=["json", "tricks"],
        code=[HERE],
        shared=[top / "blobs"],
        report=MODES[mode],
    )
    warm.start()
    assert warm.wait_ready(60), warm.trouble
    return Hut(mode, top / "home", warm, top / "blobs", blob)


def modes(*names: str) -> pytest.MarkDecorator:
    """Run the test in these modes only (default: whole, same-user, off)."""
    marks = [] if WHOLE.available else [pytest.mark.skip(reason="no bubblewrap here")]
    values = [pytest.param(name, marks=[] if name == "off" else marks) for name in names]
    return pytest.mark.parametrize("hut", values, indirect=True)


@pytest.fixture
def hut(request: pytest.FixtureRequest, hut_of: Callable[[str], Hut]) -> Hut:
    return hut_of(request.param)


@pytest.fixture(params=["program", "task"])
def run(request: pytest.FixtureRequest, hut: Hut) -> Run:
    """Runs a trick in the hut, either way."""
    way: Run = getattr(hut, request.param)
    return way


EVERYWHERE = modes("whole", "same-user", "off")
