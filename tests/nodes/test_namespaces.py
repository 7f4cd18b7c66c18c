"""Two nodes with networks, homes and names of their own, one PostgreSQL, one Redis: one is cut off, and comes
back.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis

from portal.core.embedded_redis import binary
from tests.e2e.portal import digits_zip, free_port
from tests.faults import others, phases
from tests.faults.cluster import cluster
from tests.faults.disks import can_mount
from tests.faults.mill import Job, Patient, until
from tests.faults.others import Beside
from tests.nodes.headless import Headless
from tests.nodes.networks import Network, network, why_not

LEASE_S = 30.0
SILENT_S = 30.0  # the promise: from its last beat on
BACK_S = 60.0  # TCP tries again ever more seldom while a cable is out
EPOCHS = 30
REASON = why_not() or ("" if can_mount() else "A node's home is mounted, which this machine forbids.")
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def networks() -> Iterator[tuple[Network, Network]]:
    with network("a", 41) as first, network("b", 42) as second:
        yield first, second


@contextlib.contextmanager
def redis_on(port: int, *hosts: str, folder: Path) -> Iterator[None]:
    argv = [
        binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        *hosts,
        "--protected-mode",
        "no",
        "--save",
        "",
    ]
    server = subprocess.Popen([*argv, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), "no Redis", within=10)
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


def _answers(port: int) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(redis.Redis(port=port).ping())
    return False


@pytest.fixture(scope="module")
def mill(networks: tuple[Network, Network], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    hosts, port, home = [each.host for each in networks], free_port(), tmp_path_factory.mktemp("mill")
    with cluster(*hosts) as database, redis_on(port, *hosts, folder=tmp_path_factory.mktemp("redis")):
        extra = {"DATABASE_URL": database.address(), "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        made = Headless(home, extra=extra, cluster=database)
        made.start()
        yield made
        assert made.stop() == 0


def surroundings(mill: Headless, net: Network) -> dict[str, str]:
    """How a node on that network reaches the database and Redis."""
    assert mill.cluster is not None
    broker = mill.extra["REDIS_URL"].replace("127.0.0.1", net.host)
    return {"DATABASE_URL": mill.cluster.address(host=net.host), "REDIS_URL": broker}


@pytest.fixture(scope="module")
def nodes(
    mill: Headless, networks: tuple[Network, Network], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Beside, Beside]]:
    """Named a and b; they start at the same time."""
    made = [
        others.node(mill, tmp_path_factory.mktemp(name), name, within=net.within, **surroundings(mill, net))
        for name, net in zip("ab", networks, strict=True)
    ]
    with contextlib.ExitStack() as both, ThreadPoolExecutor() as pool:
        first, second = pool.map(both.enter_context, made)
        yield first, second


@pytest.fixture(scope="module")
def eve(mill: Headless) -> Patient:
    return mill.patient("eve", steward=True)


@pytest.fixture(scope="module")
def data(eve: Patient) -> str:
    return eve.dataset("Digits", "image-classification", "digits.zip", digits_zip())


def state(eve: Patient, name: str) -> str:
    return str(next(node["state"] for node in eve.get("/nodes") if node["name"] == name))


def attempts(eve: Patient, job: Job) -> list[dict[str, str]]:
    found: list[dict[str, str]] = eve.get(f"/jobs/{job['id']}")["attempts"]
    return found


def checkpointed(mill: Headless, eve: Patient, data: str, node: Beside) -> tuple[Job, psutil.Process]:
    """A job that learns on this node, with a checkpoint behind it and some steps since, and its process, which
    stands still.
    """
    job = phases.submit(eve, data, epochs=EPOCHS)
    phases.has_learnt(eve, job, 1)
    child = mill.child(node=node.top)
    child.suspend()
    time.sleep(phases.CHECKPOINT_S)
    child.resume()
    sql = "SELECT checkpoint_step FROM queue_job WHERE id = ?"
    until(lambda: mill.value(sql, job["id"]), "no checkpoint")
    phases.has_learnt(eve, job, len(eve.get(f"/jobs/{job['id']}/metrics")) + 1)
    child.suspend()
    return job, child


def test_a_node_that_is_cut_off_ends_its_training_and_comes_back(
    mill: Headless,
    eve: Patient,
    data: str,
    nodes: tuple[Beside, Beside],
    networks: tuple[Network, Network],
) -> None:
    with others.only(mill, eve, "a"):
        job, child = checkpointed(mill, eve, data, nodes[0])
    step = mill.value("SELECT checkpoint_step FROM queue_job WHERE id = ?", job["id"])
    with networks[0].pulled():
        until(lambda: state(eve, "a") == "offline", "it is not missed", within=SILENT_S, every=0.2)
        until(lambda: not child.is_running(), "the child lives on", within=LEASE_S)
        assert len(attempts(eve, job)) == 1  # its lease still stood
        until(lambda: len(attempts(eve, job)) == 2, "nobody takes over", within=LEASE_S)
    done = eve.ended(job)
    assert [(each["node"], each["end_reason"]) for each in done["attempts"]] == [
        ("a", "node_lost"),
        ("b", "done"),
    ]
    assert f"Going on from step {step}." in eve.http.get(f"/jobs/{job['id']}/logs").text
    steps = [row["step"] for row in eve.get(f"/jobs/{job['id']}/metrics")]
    assert steps == [phases.STEPS * (epoch + 1) for epoch in range(EPOCHS)]
    assert mill.value("SELECT count(*) FROM bundles_trainedmodel WHERE job_id = ?", job["id"]) == 1
    until(lambda: state(eve, "a") == "active", "a does not come back", within=BACK_S)
    with others.only(mill, eve, "a"):
        again = eve.ended(phases.submit(eve, data, epochs=1))
    assert [(each["node"], each["end_reason"]) for each in again["attempts"]] == [("a", "done")]


def test_another_computer_that_claims_the_name_is_turned_away(
    mill: Headless, nodes: tuple[Beside, Beside], networks: tuple[Network, Network], tmp_path: Path
) -> None:
    extra = surroundings(mill, networks[1]) | {"GRISTMILL_NODE": "a"}
    with others.running(Beside(mill, tmp_path / "home", ("node",), extra, networks[1].within)) as impostor:
        assert impostor.process is not None
        assert impostor.process.wait(timeout=60) == 1
    assert "Another computer is registered as node “a”" in impostor.log.read_text()
    assert mill.value("SELECT state FROM nodes_node WHERE name = 'a'") == "active"


def test_a_copy_of_a_node_is_turned_away_and_takes_nothing_from_it(
    mill: Headless,
    eve: Patient,
    data: str,
    nodes: tuple[Beside, Beside],
    networks: tuple[Network, Network],
    tmp_path: Path,
) -> None:
    with others.only(mill, eve, "a"):
        job = phases.submit(eve, data, epochs=EPOCHS)
        phases.has_learnt(eve, job, 1)
        child = mill.child(node=nodes[0].top)
        child.suspend()
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    shutil.copy2(nodes[0].home / "secrets" / "node-key", home / "secrets")
    extra = surroundings(mill, networks[1]) | {"GRISTMILL_NODE": "a"}
    with others.running(Beside(mill, home, ("node",), extra, networks[1].within)) as copy:
        assert copy.process is not None
        assert copy.process.wait(timeout=BACK_S + SILENT_S) == 1
    assert "Another worker is at work as node “a” with the same key" in copy.log.read_text()
    child.resume()
    done = eve.ended(job)
    assert [(each["node"], each["end_reason"]) for each in done["attempts"]] == [("a", "done")]


def test_each_node_tells_of_itself(mill: Headless, eve: Patient, nodes: tuple[Beside, Beside]) -> None:
    """What the probe found, readings after a quarter of a minute, and clocks that agree, as there is one machine
    below.
    """
    rows = {node["name"]: node for node in eve.get("/nodes")}
    assert rows.keys() == {"a", "b"}
    for row in rows.values():
        assert abs(row["clock_skew_s"]) < 5
        path = f"/nodes/{row['id']}/samples"
        series = until(lambda path=path: eve.get(path)["series"], "no readings", within=20)
        assert 0 <= series[0]["points"][0]["utilisation"] <= 1
