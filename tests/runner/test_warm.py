"""Tasks in forked children of the warm parent: what they get, what they can't reach, and how they end."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.runner import sandbox
from jobs.runner.bubble import Level
from jobs.runner.limits import MIB, Limits
from jobs.runner.mounts import OutsideError
from jobs.runner.sandbox import SandboxReport
from jobs.runner.warm import WarmParent
from portal.kit.errors import RetryableError
from tests.runner.conftest import HERE, LIMITS, Node, first

WHOLE = sandbox.probe()
needs_sandbox = pytest.mark.skipif(not WHOLE.available, reason="no bubblewrap here")
needs_nesting = pytest.mark.skipif(not WHOLE.nested, reason="no nested namespaces here")
SAME_USER = replace(WHOLE, level=Level.SAME_USER, groups=None)
UNCONFINED = sandbox.unconfined()
WATCHED = replace(WHOLE, groups=None)
WAYS = [
    pytest.param(WHOLE, id="all-there-is", marks=needs_sandbox),
    pytest.param(SAME_USER, id="same-user", marks=needs_sandbox),
    pytest.param(UNCONFINED, id="unconfined"),
]
Opener = Callable[[SandboxReport], Node]


@pytest.mark.parametrize("way", WAYS)
def test_gets_its_input_its_cache_and_gives_its_output(open_node: Opener, way: SandboxReport) -> None:
    node = open_node(way)
    blob = node.blobs / "ab" / "cdef"
    blob.parent.mkdir(exist_ok=True, mode=0o700)
    blob.write_text("grain")
    blob.chmod(0o600)
    task = {"source": "/job/in/upload"}
    running = node.run("copy", task=task, read_only={blob: "/job/in/upload"})
    events = list(running.events)
    assert running.wait(5).ok, running.wait(5)
    assert [event["type"] for event in events] == ["started", "artefact", "done"]
    made = running.host_path(events[1]["path"])
    assert made == node.home / "attempts" / "alice" / "out" / "copy.txt"
    assert made.read_text() == "grain"
    assert (node.home / "cache" / "alice" / "seen").read_text() == "grain"


@pytest.mark.parametrize("way", WAYS)
def test_obeys(open_node: Opener, way: SandboxReport) -> None:
    node = open_node(way)
    for command in ("checkpoint", "stop"):
        running = node.run("obey")
        first(running, "started")
        running.send(command)
        assert first(running, "obeyed")["command"] == command
        assert running.wait(5).ok


@needs_nesting
def test_sees_nothing_but_its_own(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The escapes a member would try first, from inside a child."""
    node.events("nothing", job="bob")
    theirs = node.home / "attempts" / "bob" / "out" / "model"
    theirs.write_text("bob's")
    (tmp_path / "database").write_text("all of it")
    monkeypatch.setenv("GRISTMILL_SECRET_KEY", "hush")
    paths = [
        str(theirs), str(node.home), str(node.blobs), str(tmp_path / "database"), "/.node", "/old",
        f"/proc/{os.getpid()}/environ", "/proc/3/root", "/etc/passwd", "/etc/shadow", "/run",
        str(Path.home() / ".bashrc"),
    ]  # fmt: skip
    folders = ["/", "/usr", "/job", "/job/in", "/etc", str(HERE), "/dev"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        task = {"paths": paths, "folders": folders, "port": server.getsockname()[1], "threads": 3}
        events, end = node.events("look", task=task)
    assert end.ok, end
    seen: dict[str, Any] = events[1]
    assert seen["readable"] == []
    assert seen["writable"] == []
    assert seen["network"] == []
    assert seen["processes"] == [1]
    assert "hush" not in str(seen["environment"])
    assert len(seen["handles"]) == 2, "its events and its control, no more"
    assert not seen["user_namespace"]
    assert not seen["mount"]
    assert int(seen["capabilities"], 16) == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["threads"] == "3"
    assert ".node" not in seen["root"]
    if os.geteuid() == 0 and WHOLE.level is Level.OWN_USER:
        assert seen["user"] not in (0, 65534)


@needs_nesting
def test_two_at_once_share_neither_memory_files_nor_processes(node: Node) -> None:
    alice = node.run("sleep")
    first(alice, "sleeping")
    events, _ = node.events("look", job="bob", task={"folders": ["/dev/shm", "/tmp"], "paths": []})
    again, _ = node.events("look", job="bob", task={"paths": ["/dev/shm/intruder", "/tmp/intruder"]})
    assert events[1]["writable"] == ["/dev/shm", "/tmp"]
    assert again[1]["readable"] == []
    assert events[1]["processes"] == [1]
    alice.kill()
    assert alice.wait(5).killed


@pytest.mark.parametrize(
    "way", [*WAYS[:1], pytest.param(WATCHED, id="watched", marks=needs_sandbox), WAYS[2]]
)
def test_too_much_memory_is_named(open_node: Opener, way: SandboxReport) -> None:
    events, end = open_node(way).events(
        "hog", task={"mib": 2000}, limits=replace(LIMITS, memory_bytes=100 * MIB)
    )
    assert [event["type"] for event in events] == ["started"]
    assert end.over_memory
    assert (end.code, end.signal) == (None, 9)
    assert 60 * MIB < end.peak_memory_bytes < 500 * MIB


def test_within_its_memory_it_is_left_alone(open_node: Opener) -> None:
    for way in (WHOLE, WATCHED):
        events, end = open_node(way).events(
            "hog", task={"mib": 80}, limits=replace(LIMITS, memory_bytes=150 * MIB)
        )
        assert end.ok, end
        assert events[1]["bytes"] == 80 * MIB
        assert end.peak_memory_bytes > 60 * MIB


@pytest.mark.parametrize("way", WAYS)
def test_too_long_takes_everything_it_started_along(open_node: Opener, way: SandboxReport) -> None:
    running = open_node(way).run("sleep", task={"with_child": True}, limits=replace(LIMITS, seconds=3.0))
    first(running, "sleeping")
    worker = running.pid
    assert worker is not None
    below = _below(worker)
    assert len(below) == 1
    end = running.wait(10)
    assert end.timed_out
    assert not _alive([worker, *below])


@needs_nesting
def test_a_fork_bomb_is_refused(open_node: Opener) -> None:
    for way in (WHOLE, WATCHED) if WHOLE.level is Level.OWN_USER or os.geteuid() != 0 else (WHOLE,):
        events, end = open_node(way).events("fork_bomb", limits=replace(LIMITS, processes=40))
        assert events[1]["type"] == "refused", end
        assert events[1]["after"] <= 40
        assert end.ok


def test_filling_the_disk(node: Node) -> None:
    task = {"files": 900, "bytes": 200_000}
    _, end = node.events("fill", job="filler", task=task, limits=replace(LIMITS, disk_bytes=3 * MIB))
    assert end.over_disk


def test_a_flood_of_events_is_stopped(node: Node) -> None:
    _, end = node.events("flood", limits=replace(LIMITS, output_bytes=2 * MIB))
    assert end.over_output


def test_what_it_prints_goes_to_the_log(node: Node, tmp_path: Path) -> None:
    _, end = node.events(
        "shout", task={"bytes": 50_000}, limits=replace(LIMITS, log_bytes=10_000), log=tmp_path / "log"
    )
    assert end.ok
    assert (tmp_path / "log").stat().st_size < 11_000
    assert end.tail.endswith("and the last word\n")


def test_an_exception_is_an_exit_code_with_its_traceback(node: Node) -> None:
    _, end = node.events("fail")
    assert end.code == 1
    assert "RuntimeError: as asked" in end.tail


def test_the_listener_s_error_ends_the_task_and_comes_out_of_wait(node: Node) -> None:
    def listen(event: dict[str, Any]) -> None:
        raise RuntimeError(event["type"])

    running = node.run("sleep", on_event=listen)
    with pytest.raises(RuntimeError, match="started"):
        running.wait(10)
    assert running.pid is None or not _alive([running.pid])


def test_only_the_node_s_folders_can_be_given(node: Node, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="below the node's home"):
        node.run("nothing", read_only={tmp_path: "/data"})


def test_a_link_in_the_output_leads_nowhere(node: Node) -> None:
    running = node.run("nothing", job="linker")
    assert running.wait(10).ok
    (node.home / "attempts" / "linker" / "out" / "model.keras").symlink_to("/etc/passwd")
    with pytest.raises(OutsideError):
        running.host_path("/job/out/model.keras")


def test_a_parent_that_cannot_load_says_why(tmp_path: Path) -> None:
    warm = WarmParent(tmp_path, target="tasks:run", preload=["no_such_module"], code=[HERE])
    try:
        with pytest.raises(RetryableError, match="no_such_module"):
            warm.run({}, job_dir=tmp_path / "a", limits=Limits(), timeout=3)
    finally:
        warm.close()


def test_the_first_word_comes_at_once(node: Node) -> None:
    node.events("nothing")
    started = time.monotonic()
    first(node.run("nothing"), "started")
    assert time.monotonic() - started < 1.0


@pytest.mark.train
def test_tensorflow_computes_in_a_forked_child(tmp_path: Path) -> None:
    warm = WarmParent(tmp_path, target="tasks:run", code=[HERE])
    warm.start()
    try:
        assert warm.wait_ready(120)
        node = Node(tmp_path, warm, tmp_path)
        for _ in range(2):
            started = time.monotonic()
            events, end = node.events(
                "tensorflow", task={"threads": 1}, limits=replace(LIMITS, memory_bytes=2000 * MIB)
            )
            assert end.ok, end
            assert events[1] == {"type": "computed", "total": 64.0**3, "threads": 1}
            assert time.monotonic() - started < 5
    finally:
        warm.close()


def _below(pid: int) -> list[int]:
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def _alive(pids: list[int]) -> list[int]:
    living = [process for process in psutil.process_iter(["status"]) if process.pid in pids]
    return [process.pid for process in living if process.info["status"] != psutil.STATUS_ZOMBIE]


def test_a_command_given_before_it_may_begin_is_heard_after(node: Node) -> None:
    for _again in range(5):
        running = node.run("obey")
        running.send("stop")
        assert first(running, "obeyed")["command"] == "stop"
        assert running.wait(5).ok
