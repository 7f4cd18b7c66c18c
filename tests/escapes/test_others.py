"""What is other members' or the portal's: files, keys, sockets, processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.escapes.conftest import EVERYWHERE, LIMITS, MARK, Hut, Run, modes

FILES = "every file of the portal's user"
PROCESSES = "end the portal's processes"
NEIGHBOURS = "see each other's folders, end each other"


@pytest.fixture
def secrets(hut: Hut, tmp_path: Path) -> list[Path]:
    """What a thief would look for, each with the mark in it: stored files, database, keys, another job's folders."""
    bobs = hut.folder("bob") / "out" / "model.keras"
    places = [
        hut.blobs / "ab" / "abcd", tmp_path / "db.sqlite3", tmp_path / "secrets" / "signing-key", bobs,
        hut.home / "cache" / "bob" / "pixels", tmp_path / "run" / "redis.conf",
    ]  # fmt: skip
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.write_text(MARK, encoding="ascii")
        place.chmod(0o600)
    return places


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[str]"]:
    """A process of the portal's with a secret in its environment, that would die of a signal."""
    program = "import sys, time; print('here', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={"GRISTMILL_SECRET_KEY": MARK},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@EVERYWHERE
def test_stored_files_database_keys_and_other_jobs_folders(hut: Hut, run: Run, secrets: list[Path]) -> None:
    ran = run("read", paths=[str(path) for path in secrets], mark=MARK, pid=os.getpid())
    hut.held_or_told(ran.found["read"] == [], FILES)
    assert ran.end.ok, ran.end


@EVERYWHERE
def test_nor_can_they_be_changed(hut: Hut, run: Run, secrets: list[Path], tmp_path: Path) -> None:
    paths = [*map(str, secrets), str(tmp_path), str(hut.blobs), str(hut.home)]
    hut.held_or_told(run("write", paths=paths).found["written"] == [], FILES)
    if hut.is_whole:
        assert not (tmp_path / "intruder").exists()


@modes("whole", "same-user")
def test_the_system_the_code_and_its_input_are_read_only(hut: Hut, run: Run) -> None:
    code = Path(__file__).parents[2] / "jobs"
    paths = [
        "/",
        "/usr",
        "/usr/bin",
        "/etc",
        "/dev",
        "/job/in",
        "/job/in/upload",
        str(code),
        str(code / "__init__.py"),
    ]
    paths += [sys.executable, sys.prefix, "/proc", "/sys", "/sys/devices/system/cpu"]
    assert run("write", paths=paths).found["written"] == []
    assert hut.blob.read_text() == "mallory's own"


@EVERYWHERE
def test_files_by_number_and_the_way_up_out_of_a_root(hut: Hut, run: Run, secrets: list[Path]) -> None:
    assert run("by_handle").found["opened"] == []
    assert not run("climb", path=str(secrets[1]), mark=MARK).found["read"]


@EVERYWHERE
def test_the_secrets_in_the_portals_environment(hut: Hut, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_SECRET_KEY", MARK)
    found = run("environment", mark=MARK).found
    hut.held_or_told(found["secret"] == [], PROCESSES)
    assert len(found["handles"]) <= 3, "its events, its control, and what it looks with"


@EVERYWHERE
def test_what_proc_tells_of_the_portals_processes(
    hut: Hut, run: Run, victim: "subprocess.Popen[str]"
) -> None:
    for pid in (victim.pid, os.getpid()):
        readable = run("of_process", pid=pid).found["readable"]
        hut.held_or_told(readable == [], PROCESSES)


@EVERYWHERE
def test_the_portals_processes_live_on(hut: Hut, run: Run, victim: "subprocess.Popen[str]") -> None:
    worked = run("attack", pid=victim.pid).found["worked"]
    hut.held_or_told(worked == [], PROCESSES)
    assert not {"trace", "seize", "read memory", "descriptor", "compare"} & set(worked), (
        "the filter holds everywhere"
    )
    if hut.is_whole:
        assert victim.poll() is None
    elif victim.poll() is not None:
        assert victim.returncode == -signal.SIGUSR1


@modes("whole", "same-user")
def test_another_job_is_not_to_be_seen(hut: Hut) -> None:
    other = hut.begin("stop", job="bob")
    assert next(event for event in other.events if event["type"] == "stopping")
    try:
        seen = hut.task("others").found["seen"]
        hut.held_or_told(seen == {}, NEIGHBOURS)
        assert hut.program("others").found["seen"].keys() <= {"1", "2"}, "bubblewrap's own"
    finally:
        other.kill()
    assert other.wait(10).killed


@EVERYWHERE
def test_no_first_process_without_the_filter(hut: Hut, run: Run) -> None:
    found = run("hijack").found
    if hut.mode != "off":
        assert found["filter"] == "2", "what can be taken over is filtered too"
    else:
        hut.held_or_told(not found["reached"], PROCESSES)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """What a job might reach of this machine: by IPv4, by IPv6 (where there is any), by name, by an abstract name."""
    name = f"\0gristmill-escape-{os.getpid()}"
    places = [
        (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)),
        (socket.AF_UNIX, str(tmp_path / "redis.sock")), (socket.AF_UNIX, name),
    ]  # fmt: skip
    made = []
    for family, where in places:
        with contextlib.suppress(OSError):
            server = socket.socket(family)
            server.bind(where)
            server.listen(5)
            server.setblocking(False)
            made.append(server)
    assert len(made) >= 3
    yield made
    for server in made:
        server.close()


def _address(server: socket.socket) -> list[object]:
    name = server.getsockname()
    if isinstance(name, tuple):
        return [server.family, socket.SOCK_STREAM, name[:2]]
    return [
        server.family,
        socket.SOCK_STREAM,
        name.decode().replace("\0", "@") if isinstance(name, bytes) else name,
    ]


@EVERYWHERE
def test_no_network(hut: Hut, run: Run, servers: list[socket.socket]) -> None:
    local = [server for server in servers if server.family == socket.AF_UNIX]
    inet = [server for server in servers if server not in local]
    far = [
        [socket.AF_INET, kind, [where, 53]]
        for kind, where in ((1, "1.1.1.1"), (2, "127.0.0.53"), (2, "8.8.8.8"))
    ]
    assert run("connect", servers=[*map(_address, inet), *far]).found["reached"] == []
    reached = run("connect", servers=list(map(_address, local))).found["reached"]
    hut.held_or_told(reached == [], "reach the sockets")
    for server in servers if hut.is_whole else inet:
        with pytest.raises(BlockingIOError):
            server.accept()


@EVERYWHERE
def test_no_other_kind_of_socket_and_no_name_service(hut: Hut, run: Run) -> None:
    assert run("families").found["made"] == []
    assert run("resolve", name="example.org").found["resolved"] == ""


@EVERYWHERE
def test_a_task_that_stops_itself_is_ended_in_time(hut: Hut, run: Run) -> None:
    ran = run("stop", limits=replace(LIMITS, seconds=2.0))
    assert ran.end.timed_out
    assert ran.end.seconds < 10
