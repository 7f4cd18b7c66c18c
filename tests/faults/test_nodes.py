"""A node that is cut off, stands still, or has a wrong clock: its lease is what counts, and nothing is done twice."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults import others, phases, sound
from tests.faults.clocks import COMPILER, MISSING, Clock
from tests.faults.conftest import Eves, mended
from tests.faults.disks import Disk, can_mount, disk
from tests.faults.mill import Mill, Patient, outlived, until
from tests.faults.others import Beside
from tests.faults.phases import Scene
from tests.faults.proxy import Proxy
from tests.faults.record import Record

SHORTER_S = 12.0
LEASE_S = 30.0
HUNG_S = 25
pytestmark = [
    pytest.mark.skipif(not can_mount(), reason="a second node's home is mounted, which root may"),
    pytest.mark.skipif(COMPILER is None, reason=MISSING),
]


@pytest.fixture(scope="module")
def mill(postgres_mill: Mill) -> Mill:
    return postgres_mill


@pytest.fixture
def eve(mill: Mill, eves: Eves) -> Iterator[Patient]:
    yield eves.of(mill)[0]
    mended(mill, eves.of(mill)[0])


@pytest.fixture(scope="module")
def proxy(mill: Mill) -> Iterator[Proxy]:
    assert mill.cluster is not None
    made = Proxy(mill.cluster.port)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    made = Clock(tmp_path_factory.mktemp("clock"))
    made.make()
    return made


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with disk(tmp_path_factory.mktemp("far"), mib=192) as made:
        yield made


@pytest.fixture(scope="module")
def far(mill: Mill, proxy: Proxy, clock: Clock, small: Disk) -> Iterator[Beside]:
    """A node that reaches the database through the proxy, goes by a clock of its own, has a small disk, and soon calls
    a job hung.
    """
    assert mill.cluster is not None
    extra = {"DATABASE_URL": mill.cluster.address(proxy.port), "GRISTMILL_HUNG_AFTER_S": str(HUNG_S)}
    extra |= {"GRISTMILL_NODE_DISK_RESERVE_MB": "16", **clock.env}
    with others.node(mill, small.place, "far", **extra) as made:
        yield made


@contextlib.contextmanager
def on_far(mill: Mill, eve: Patient, data: str, far: Beside) -> Iterator[Scene]:
    """A job that learns on the far node; then the portal's own node may take work again."""
    with others.only(mill, eve, "far"):
        until(lambda: _state(eve, "far") == "active", "far is not in service")
        job = phases.submit(eve, data, epochs=phases.EPOCHS)
        phases.has_learnt(eve, job, 2)
        scene = Scene(mill, eve, job, mill.child(node=far.top))
        scene.held.suspend()
    yield scene
    assert list((far.home / "node" / "attempts").iterdir()) == []


@pytest.fixture
def alone(mill: Mill, eve: Patient) -> Iterator[None]:
    """The portal's own node is the only one in service."""
    with others.only(mill, eve, socket.gethostname()):
        yield


def _state(eve: Patient, name: str) -> str:
    return str(next(node["state"] for node in eve.get("/nodes") if node["name"] == name))


def _attempts(eve: Patient, scene: Scene) -> int:
    return len(eve.get(scene.path)["attempts"])


@pytest.mark.parametrize("how", ["swallowing", "refusing"])
def test_cut_off_for_less_than_a_lease_it_goes_on(
    mill: Mill, eve: Patient, data: str, far: Beside, proxy: Proxy, how: str
) -> None:
    with on_far(mill, eve, data, far) as scene:
        scene.release()
        with getattr(proxy, how)():
            time.sleep(SHORTER_S)
        sound.succeeded(mill, eve, scene.job, ["done"])


def test_cut_off_for_longer_it_ends_its_child_before_another_node_goes_on(
    mill: Mill, eve: Patient, data: str, far: Beside, proxy: Proxy, record: Record
) -> None:
    with on_far(mill, eve, data, far) as scene:
        began = time.monotonic()
        with proxy.swallowing():
            until(lambda: not scene.held.is_running(), "the child lives on", within=LEASE_S + 10)
            record("cut off: child ended", seconds=time.monotonic() - began)
            assert _attempts(eve, scene) == 1
            until(lambda: _attempts(eve, scene) == 2, "nobody takes over", within=LEASE_S)
            record("cut off: another node", seconds=time.monotonic() - began)
        sound.succeeded(mill, eve, scene.job, ["node_lost", "done"])
        until(lambda: _state(eve, "far") == "active", "far does not come back")
    sql = "SELECT cut_off FROM queue_attempt WHERE job_id = ? AND number = 1"
    until(lambda: mill.value(sql, scene.job["id"]), "it is not excused")


def test_a_node_that_stood_still_past_its_lease_writes_nothing_more(
    mill: Mill, eve: Patient, data: str, far: Beside
) -> None:
    with on_far(mill, eve, data, far) as scene:
        far.top.suspend()
        try:
            scene.release()  # the child goes on learning and has much to say
            until(lambda: _attempts(eve, scene) == 2, "nobody takes over", within=LEASE_S + 60)
            until(lambda: eve.get(scene.path)["attempts"][1]["started_at"], "it does not run")
        finally:
            far.top.resume()
        assert outlived([scene.held]) == []
        sound.succeeded(mill, eve, scene.job, ["node_lost", "done"])
        assert "lost its lease" in far.log.read_text(errors="replace")


def test_hung_is_who_makes_no_progress_though_the_heart_beats(
    mill: Mill, eve: Patient, data: str, far: Beside, record: Record
) -> None:
    with on_far(mill, eve, data, far) as scene:
        began, expires = time.monotonic(), _lease(mill, scene)
        until(lambda: not scene.held.is_running(), "it is not ended")
        record("hung", seconds=time.monotonic() - began)
        done = sound.ended(mill, eve, scene.job, ["hung"])
        assert (done["status"], done["end_reason"]) == ("failed", "hung")
    assert expires is not None


def _lease(mill: Mill, scene: Scene) -> object:
    """When the lease ends; waited for until it has been renewed once."""
    sql = "SELECT lease_expires_at FROM queue_attempt WHERE job_id = ? AND ended_at IS NULL"
    before = mill.value(sql, scene.job["id"])
    return until(lambda: mill.value(sql, scene.job["id"]) != before, "no heartbeat", within=7)


def test_a_full_disk_ends_the_attempt_and_the_node_takes_nothing_until_there_is_room(
    mill: Mill, eve: Patient, data: str, far: Beside, small: Disk
) -> None:
    with on_far(mill, eve, data, far) as scene:
        with small.full():
            scene.release()
            until(lambda: eve.get(scene.path)["attempts"][0]["end_reason"], "it does not end")
            until(lambda: _trouble(eve, "far"), "it does not say that its disk is full")
        done = eve.ended(scene.job)
        reasons = [attempt["end_reason"] for attempt in done["attempts"]]
        assert (reasons[0], reasons[-1], {*reasons[1:-1]} - {"drained"}) == ("disk_full", "done", set())
        sound.succeeded(mill, eve, scene.job, reasons)
    until(lambda: not _trouble(eve, "far"), "it takes no work again")
    with on_far(mill, eve, data, far) as scene:
        scene.release()
        sound.succeeded(mill, eve, scene.job, ["done"])


def _trouble(eve: Patient, name: str) -> str:
    return str(next(node["trouble"] for node in eve.get("/nodes") if node["name"] == name))


@pytest.mark.parametrize("jump", [2, -2], ids=["two_hours_on", "two_hours_back"])
def test_a_nodes_clock_that_jumps_changes_nothing(
    mill: Mill, eve: Patient, data: str, far: Beside, clock: Clock, jump: int
) -> None:
    hours = eve.get("/me")["usage"]["device_hours"]["cpu"]
    with on_far(mill, eve, data, far) as scene:
        clock.jump(jump)
        scene.release()
        sound.succeeded(mill, eve, scene.job, ["done"])
        clock.jump(0)
    used = eve.get("/me")["usage"]["device_hours"]["cpu"] - hours
    assert 0 < used < 0.1  # what it really took, not what the clock says


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("jump", [2, -2], ids=["two_hours_on", "two_hours_back"])
def test_a_schedulers_clock_that_jumps_changes_nothing(
    mill: Mill, eve: Patient, data: str, clock: Clock, jump: int, tmp_path: Path
) -> None:
    scene = phases.training(mill, eve, data)
    with other_leader(mill, tmp_path, clock):
        clock.jump(jump)
        time.sleep(7)  # for every sweep that judges
        assert _state(eve, str(eve.get(scene.path)["attempts"][0]["node"])) == "active"
        scene.release()
        sound.succeeded(mill, eve, scene.job, ["done"])
        second = phases.submit(eve, data, epochs=1)
        sound.succeeded(mill, eve, second, ["done"])
        clock.jump(0)


@contextlib.contextmanager
def other_leader(mill: Mill, home: Path, clock: Clock | None = None) -> Iterator[psutil.Process]:
    """Another scheduler leads, because the portal's own stands still past its lease; that one is yielded, and goes on
    at the end.
    """
    first, epoch = mill.part("scheduler"), mill.leader()
    extra = {"GRISTMILL_HOME": str(mill.home), **(clock.env if clock else {})}
    with others.running(Beside(mill, home, ("scheduler",), extra)):
        first.suspend()
        try:
            until(lambda: mill.leader() > epoch, "nobody leads", within=30)
            yield first
        finally:
            first.resume()


@pytest.mark.usefixtures("alone")
def test_a_leader_that_wakes_up_starts_nothing(mill: Mill, eve: Patient, data: str, tmp_path: Path) -> None:
    """It read the queue while it led, and acts on what it read when it leads no more."""
    assert mill.cluster is not None
    with contextlib.ExitStack() as locked:
        with others.only(mill, eve, "nobody"):
            job = phases.submit(eve, data, epochs=phases.EPOCHS)
            is_blocked = locked.enter_context(mill.cluster.held_table("ledger_quota"))  # what it reads last
        until(is_blocked, "the leader does not look at the queue")
        mill.part("scheduler").suspend()
    with other_leader(mill, tmp_path) as first:
        phases.has_learnt(eve, job, 1)
        scene = Scene(mill, eve, job, mill.child())
        scene.held.suspend()
        epoch = mill.leader()
        first.resume()
        time.sleep(3)
        assert mill.leader() == epoch
        scene.release()
        sound.succeeded(mill, eve, job, ["done"])


@pytest.mark.usefixtures("alone")
def test_the_database_stands_still_for_longer_than_a_lease(
    mill: Mill, eve: Patient, data: str, record: Record
) -> None:
    """Everybody misses it, so nobody is to blame: not even together with a node that was really lost."""
    assert mill.cluster is not None
    scene = phases.training(mill, eve, data)
    mill.part("node").kill()
    until(
        lambda: _attempts(eve, scene) == 2 and eve.get(scene.path)["status"] == "running",
        "it is not run again",
    )
    held = mill.child()
    held.suspend()
    with mill.cluster.frozen():
        time.sleep(LEASE_S + 5)
    began = time.monotonic()
    with contextlib.suppress(psutil.NoSuchProcess):
        held.resume()
    done = until(phases.is_over(eve, scene.job), "it does not end", within=60)
    record("database stood still", seconds=time.monotonic() - began)
    reasons = [attempt["end_reason"] for attempt in done["attempts"]]
    assert reasons in (["node_lost", "done"], ["node_lost", "node_lost", "done"])
    assert done["status"] == "succeeded"
    sound.tidy(mill, eve)
