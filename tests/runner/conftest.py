"""Warm parents that load something light, and the cast of one node."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs.runner import sandbox
from jobs.runner.limits import MIB, Exit, Limits
from jobs.runner.running import Running
from jobs.runner.sandbox import SandboxReport
from jobs.runner.warm import WarmParent

HERE = Path(__file__).parent
LIMITS = Limits(seconds=20, memory_bytes=500 * MIB)


@dataclass
class Node:
    """A node's folders and its warm parent."""

    home: Path
    warm: WarmParent
    blobs: Path
    ran: list[Running] = field(default_factory=list)

    def run(self, do: str, *, job: str = "alice", limits: Limits = LIMITS, **options: Any) -> Running:
        folder = self.home / "attempts" / job
        task = {"do": do, "out": "/job/out", "cache": "/cache", **options.pop("task", {})}
        running = self.warm.run(
            task, job_dir=folder, cache=self.home / "cache" / job, limits=limits, timeout=20, **options
        )
        self.ran.append(running)
        return running

    def events(self, do: str, **options: Any) -> tuple[list[dict[str, Any]], Exit]:
        running = self.run(do, **options)
        events = list(running.events)
        return events, running.wait(10)


@pytest.fixture(scope="module")
def open_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[SandboxReport], Node]]:
    opened: dict[int, Node] = {}

    def opener(report: SandboxReport) -> Node:
        if id(report) not in opened:
            top = tmp_path_factory.mktemp("node")
            (top / "blobs").mkdir(mode=0o700)
            (top / "home").mkdir(mode=0o700)
            warm = WarmParent(
                top / "home",
                target="tasks:run",
                preload=["json"],
                code=[HERE],
                shared=[top / "blobs"],
                report=report,
            )
            warm.start()
            opened[id(report)] = Node(top / "home", warm, top / "blobs")
        return opened[id(report)]

    yield opener
    for node in opened.values():
        node.warm.close()


@pytest.fixture(scope="module")
def node(open_node: Callable[[SandboxReport], Node]) -> Node:
    return open_node(sandbox.probe())


def eventually(condition: Callable[[], bool], *, within: float = 10.0) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def first(running: Running, kind: str) -> dict[str, Any]:
    """The next event of this type; the test fails when the child ends without it."""
    for event in running.events:
        if event["type"] == kind:
            return event
    raise AssertionError(f"no {kind}: {json.dumps(str(running.wait(5)))}")
