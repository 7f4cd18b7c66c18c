"""Several tasks on one node at once: each keeps to its part of the memory, the processors and the GPUs."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.runner import cgroups
from jobs.runner.gpus import NO_GPUS, Gpus
from jobs.runner.limits import GIB, MIB
from jobs.runner.sandbox import SandboxReport
from jobs.runner.warm import WarmParent
from tests.runner.conftest import HERE, LIMITS, Node
from tests.runner.test_warm import UNCONFINED, WATCHED, WHOLE, needs_nesting, needs_sandbox

Opener = Callable[[SandboxReport], Node]
WAYS = [
    pytest.param(WHOLE, id="held", marks=needs_sandbox),
    pytest.param(WATCHED, id="watched", marks=needs_sandbox),
    pytest.param(UNCONFINED, id="unconfined"),
]
holds_cores = pytest.mark.skipif(
    WHOLE.groups is None or "cpu" not in WHOLE.groups.parents, reason="no cgroup holds processors here"
)


@pytest.mark.parametrize("way", WAYS)
def test_of_two_at_once_only_the_one_over_its_limit_is_ended(open_node: Opener, way: SandboxReport) -> None:
    node = open_node(way)
    small = node.run("hog", job="bob", task={"mib": 200}, limits=replace(LIMITS, memory_bytes=400 * MIB))
    big = node.run("gulp", task={"mib": 600}, limits=replace(LIMITS, memory_bytes=100 * MIB))
    assert [event["type"] for event in big.events] == ["started"]
    ended = big.wait(10)
    assert (ended.over_memory, ended.signal) == (True, 9)
    assert 600 * MIB <= ended.wanted_bytes < 700 * MIB, "all that it asked for, not what it had got"
    assert ended.peak_memory_bytes < 400 * MIB
    assert [event["type"] for event in small.events] == ["started", "held", "done"]
    well = small.wait(10)
    assert (well.ok, well.over_memory) == (True, False)
    assert 190 * MIB < well.peak_memory_bytes < 400 * MIB


def test_who_takes_a_little_at_a_time_wanted_little_more_than_it_had(node: Node) -> None:
    events, end = node.events("hog", task={"mib": 2000}, limits=replace(LIMITS, memory_bytes=100 * MIB))
    assert end.over_memory, events
    assert end.wanted_bytes < 200 * MIB


@pytest.mark.skipif(
    os.geteuid() != 0 or WHOLE.groups is None or not WHOLE.counts_memory,
    reason="no memory cgroup can be made here",
)
def test_a_full_machine_is_told_from_a_limit_that_was_passed(tmp_path: Path) -> None:
    """The group around the task's plays the machine."""
    assert WHOLE.groups is not None
    around = WHOLE.groups.parents["memory"] / f"{cgroups.PREFIX}{os.getpid()}-machine"
    machine = cgroups.Group(WHOLE.groups.version, {"memory": around})
    around.mkdir()
    try:
        limit = "memory.max" if machine.version == 2 else "memory.limit_in_bytes"
        (around / limit).write_text(str(100 * MIB))
        full = replace(WHOLE, groups=replace(WHOLE.groups, parents={"memory": around}))
        warm = WarmParent(tmp_path, target="tasks:run", preload=["json"], code=[HERE], report=full)
        node = Node(tmp_path, warm, tmp_path)
        _, end = node.events("hog", task={"mib": 400}, limits=replace(LIMITS, memory_bytes=300 * MIB))
        assert (end.crowded_out, end.over_memory, end.signal) == (True, False, 9)
        assert 60 * MIB < end.peak_memory_bytes <= 101 * MIB
        _, end = node.events("hog", task={"mib": 400}, limits=replace(LIMITS, memory_bytes=50 * MIB))
        assert (end.crowded_out, end.over_memory) == (False, True)
        warm.close()
    finally:
        machine.remove()


@holds_cores
def test_a_part_of_a_processor_is_no_more_than_that(node: Node) -> None:
    events, end = node.events("spin", task={"seconds": 1.0}, limits=replace(LIMITS, cores=0.25))
    assert end.ok, end
    assert events[1]["cores"] < 0.4
    assert end.seconds < 10


@pytest.fixture(scope="module")
def with_gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    home = tmp_path_factory.mktemp("node")
    warm = WarmParent(home, target="tasks:run", preload=["json"], code=[HERE], devices=["/dev/full"])
    warm.start()
    yield Node(home, warm, home)
    warm.close()


@needs_nesting
def test_who_was_given_no_gpu_sees_none(with_gpu: Node) -> None:
    events, end = with_gpu.events("gpus")
    assert end.ok, end
    assert events[1:] == [
        {"type": "told", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ""},
        {"type": "done", "reason": "done"},
    ]


@needs_nesting
def test_who_was_given_one_sees_it_while_its_neighbour_does_not(with_gpu: Node) -> None:
    mine = Gpus(("GPU-1f2e",), 80 * GIB, 20 * GIB)
    events, end = with_gpu.events("gpus", gpus=mine)
    assert end.ok, end
    assert events[1] == {"type": "told", **mine.environment()}
    assert events[2] == {"type": "refused", "error": errno.ENOSPC}
    assert [event["type"] for event in with_gpu.events("gpus", job="bob")[0]] == ["started", "told", "done"]


@pytest.fixture(scope="module")
def with_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A board's serial line, and one of a board that was unplugged since it was looked for."""
    home = tmp_path_factory.mktemp("node")
    lines = ["/dev/full", "/dev/ttyUSB77"]
    warm = WarmParent(home, target="tasks:run", preload=["json"], code=[HERE], lines=lines)
    warm.start()
    yield Node(home, warm, home)
    warm.close()


@needs_nesting
def test_a_boards_line_is_there_for_whom_it_was_given_to(with_line: Node) -> None:
    """A GPU gives no right to it."""
    events, end = with_line.events("gpus", devices=["/dev/full"])
    assert end.ok, end
    assert events[2] == {"type": "refused", "error": errno.ENOSPC}
    for others in ({}, {"gpus": Gpus(("GPU-1f2e",), 80 * GIB, 20 * GIB)}, {"devices": ["/dev/ttyUSB77"]}):
        told = with_line.events("gpus", job="bob", **others)[0]
        assert [event["type"] for event in told] == ["started", "told", "done"], others


@given(st.integers(1, 192 * GIB), st.integers(1, 192 * GIB))
def test_jax_gets_the_same_part_as_tensorflow(memory: int, limit: int) -> None:
    told = Gpus(("0", "1"), memory, limit).environment()
    assert told["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert abs(float(told["XLA_PYTHON_CLIENT_MEM_FRACTION"]) - min(1.0, limit / memory)) <= 1e-4
    assert told["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


def test_without_a_limit_jax_takes_what_it_needs_and_no_more() -> None:
    told = Gpus(("0",), 8 * GIB).environment()
    assert told["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in told
    assert not any(name.startswith("XLA") for name in NO_GPUS.environment())
