"""More than one's share of memory, disk, processes, descriptors, output and attention."""

import errno
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.queue import messages
from jobs.runner.bubble import NICE
from jobs.runner.limits import MIB
from tests.escapes.conftest import EVERYWHERE, LIMITS, WHOLE, Hut, Run, modes
from tests.runner.conftest import eventually

TEMPORARY = "fill the folders for temporary files"
WATCHED = "Memory is only watched"


@EVERYWHERE
def test_a_fork_bomb(hut: Hut, run: Run) -> None:
    if hut.mode == "same-user" and os.geteuid() == 0:
        pytest.skip("the kernel counts no processes of root's own")
    found = run("fork_bomb", most=150, limits=replace(LIMITS, memory_bytes=None)).found
    hut.held_or_told(found["started"] <= 64 and found["reason"] == errno.EAGAIN, "number of processes")


@modes("whole", "watched", "off")
@pytest.mark.parametrize("how", ["fast", "slow", "shared", "memfd", "ipc", "tmp", "shm"])
def test_memory_in_every_shape(hut: Hut, run: Run, how: str) -> None:
    if hut.mode == "off" and how in {"tmp", "shm"}:
        assert any(TEMPORARY in sentence for sentence in hut.report.missing)
        return
    limits = replace(LIMITS, memory_bytes=200 * MIB, tmp_bytes=300 * MIB)
    ran = run("memory", how=how, limits=limits)
    if how == "ipc" or (how == "memfd" and not hut.report.counts_memory):
        assert ran.found["bytes"] == 0, "such memory is not given at all where it could not be counted"
        assert ran.found["refused"] in {errno.EPERM, errno.ENOSYS}
        return
    assert ran.end.over_memory, ran
    if hut.mode == "whole" and hut.report.counts_memory:
        assert ran.end.peak_memory_bytes <= 210 * MIB
    else:
        assert any(WATCHED in sentence for sentence in hut.report.missing) or hut.mode == "watched"


@modes("whole", "off")
@pytest.mark.parametrize("how", ["one", "many", "empty", "open", "mapped", "hidden"])
def test_the_disk_in_every_shape(hut: Hut, run: Run, how: str) -> None:
    limits = replace(LIMITS, disk_bytes=30 * MIB, files=2000)
    ran = run("disk", how=how, job=f"disk-{how}", rounds=200, limits=limits)
    refused = [event["found"]["refused"] for event in ran.events if event.get("type") == "found"]
    assert ran.end.over_disk or refused == [errno.EFBIG], ran
    assert ran.end.seconds < 15, "not when it is over, but when it happens"


@EVERYWHERE
def test_a_file_of_a_terabyte_that_takes_no_room(hut: Hut, run: Run) -> None:
    assert run("sparse", job="sparse").found["refused"] == errno.EFBIG


@EVERYWHERE
def test_no_limit_raised_and_no_priority_gained(hut: Hut, run: Run) -> None:
    found = run("limits").found
    if hut.mode == "off" and os.geteuid() == 0:
        assert found["nice"] >= NICE, "root may do the rest"
        return
    assert found["raised"] == []
    assert found["nice"] >= NICE
    assert not found["sooner"]
    assert not found["realtime"]
    assert not found["later"]


@EVERYWHERE
def test_descriptors_and_full_pipes(hut: Hut, run: Run) -> None:
    found = run("handles", most=20_000, limits=replace(LIMITS, open_files=256)).found
    assert found["made"] <= 256
    assert found["reason"] == errno.EMFILE
    reader, writer = os.pipe()
    assert os.write(writer, b"x" * 4096) == 4096, "the portal still has pipes"
    os.close(reader)
    os.close(writer)


@EVERYWHERE
def test_no_core_is_left(hut: Hut, run: Run) -> None:
    ran = run("crash", job="crash")
    assert ran.end.signal == signal.SIGSEGV
    assert [path.name for path in (hut.folder("crash") / "out").iterdir()] == []


@EVERYWHERE
def test_shouting_costs_a_bounded_log(hut: Hut, run: Run) -> None:
    ran = run("shout", lines=20_000)
    assert ran.end.ok
    assert len(ran.end.tail) <= 8192


def test_what_is_logged_steers_no_terminal() -> None:
    said = messages.parse({"type": "log", "text": "\x1b[2J\x1b]0;owned\x07\x9b1m 12 %\r\tähnlich\n"})
    assert isinstance(said, messages.Log)
    box = "\N{REPLACEMENT CHARACTER}"
    assert said.text == f"{box}[2J{box}]0;owned{box}{box}1m 12 %\r\tähnlich\n"


@modes("whole", "off")
@pytest.mark.parametrize("how", ["deep", "list", "word", "digits", "bytes", "endless"])
def test_a_line_that_is_no_event_ends_the_task(hut: Hut, how: str) -> None:
    ran = hut.task("forge", how=how)
    assert ran.end.over_output, ran
    assert ran.end.seconds < 4


@modes("whole")
def test_a_flood_of_events_waits_for_a_slow_listener(hut: Hut) -> None:
    """A thousand wait, the rest is left to the job: the node's memory does not grow with what a job says."""
    waiting: list[Any] = []
    before = psutil.Process().memory_info().rss
    running = hut.begin(
        "flood",
        most=200_000,
        padding=300,
        options={"on_event": waiting.append, "backlog": lambda: len(waiting)},
    )
    assert eventually(lambda: len(waiting) > 500)
    time.sleep(0.5)
    said = len(waiting)
    time.sleep(1)
    assert len(waiting) == said < 20_000
    assert psutil.Process().memory_info().rss - before < 60 * MIB
    waiting.clear()
    assert eventually(lambda: len(waiting) > 500), "it goes on when there is room"
    running.kill()
    assert running.wait(10).killed


@modes("whole")
def test_a_held_up_job_keeps_to_its_time(hut: Hut) -> None:
    running = hut.begin(
        "flood", most=200_000, padding=300, limits=replace(LIMITS, seconds=2.0),
        options={"on_event": lambda _event: None, "backlog": lambda: 10**6},
    )  # fmt: skip
    assert running.wait(10).timed_out


@pytest.mark.skipif(not WHOLE.available, reason="no bubblewrap here")
@modes("whole")
def test_a_full_sandbox_leaves_others_theirs(hut: Hut) -> None:
    """Two at once: one takes all it can get, the other does its work."""
    hoarder = threading.Thread(target=lambda: hut.task("memory", how="tmp", job="hoarder"))
    hoarder.start()
    found = hut.task("limits", job="worker").found
    hoarder.join()
    assert found["raised"] == []


def test_nothing_of_it_is_left_in_shared_memory() -> None:
    assert not list(Path("/dev/shm").glob("hoard-*"))
