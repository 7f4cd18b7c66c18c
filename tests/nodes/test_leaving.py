"""Trainings that are asked to leave: their node is taken out of service, or somebody else comes first. Real workers on
two homes, one PostgreSQL.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.e2e.portal import digits_zip
from tests.faults import others, phases
from tests.faults.cluster import cluster
from tests.faults.disks import can_mount
from tests.faults.mill import Job, Patient, until
from tests.faults.others import Beside
from tests.nodes.headless import Headless

EPOCHS = 30
HEARD_S = 4.0  # a node hears of its state at its next beat, and an attempt of what is asked within a second
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.skipif(not can_mount(), reason="A node's home is mounted, which this machine forbids."),
]


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    with cluster() as database:
        made = Headless(
            tmp_path_factory.mktemp("mill"), extra={"DATABASE_URL": database.address()}, cluster=database
        )
        made.start()
        yield made
        assert made.stop() == 0


@pytest.fixture(scope="module")
def nodes(mill: Headless, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Beside, Beside]]:
    """Named a and b; they start at the same time."""
    made = [others.node(mill, tmp_path_factory.mktemp(name), name) for name in "ab"]
    with contextlib.ExitStack() as both, ThreadPoolExecutor() as pool:
        first, second = pool.map(both.enter_context, made)
        yield first, second


@pytest.fixture(scope="module")
def eve(mill: Headless) -> Patient:
    return mill.patient("eve", steward=True)


@pytest.fixture(scope="module")
def data(eve: Patient) -> str:
    return eve.dataset("Digits", "image-classification", "digits.zip", digits_zip(), visibility="community")


def held_on(node: Beside, mill: Headless, member: Patient, data: str) -> tuple[Job, psutil.Process]:
    """A training of the member's on the one node that is in service, which has learnt something, and its process, which
    stands still.
    """
    job = phases.submit(member, data, epochs=EPOCHS)
    phases.has_learnt(member, job, 2)
    child = mill.child(node=node.top)
    child.suspend()
    return job, child


def set_state(eve: Patient, name: str, state: str) -> None:
    row = next(each for each in eve.get("/nodes") if each["name"] == name)
    eve.http.patch(f"/nodes/{row['id']}", json={"state": state}).raise_for_status()


def course(member: Patient, job: Job) -> list[tuple[str, str]]:
    """Where it ran in the end, and why it left."""
    return [(each["node"], each["end_reason"]) for each in member.ended(job)["attempts"]]


def went_on(mill: Headless, member: Patient, job: Job) -> None:
    """From the checkpoint that it saved as it left, and took no step twice."""
    found = re.search(r"Going on from step (\d+)\.", member.http.get(f"/jobs/{job['id']}/logs").text)
    assert found
    assert int(found[1]) >= 2 * phases.STEPS
    steps = [row["step"] for row in member.get(f"/jobs/{job['id']}/metrics?limit=1000")]
    assert steps == [phases.STEPS * (epoch + 1) for epoch in range(EPOCHS)]
    assert mill.value("SELECT count(*) FROM bundles_trainedmodel WHERE job_id = ?", job["id"]) == 1


def test_from_a_node_in_maintenance_it_goes_on_elsewhere(
    mill: Headless, eve: Patient, data: str, nodes: tuple[Beside, Beside]
) -> None:
    with others.only(mill, eve, "a"):
        job, child = held_on(nodes[0], mill, eve, data)
    set_state(eve, "a", "maintenance")
    time.sleep(HEARD_S)
    child.resume()
    try:
        assert course(eve, job) == [("a", "drained"), ("b", "done")]
    finally:
        set_state(eve, "a", "active")
    went_on(mill, eve, job)


def test_on_a_node_that_drains_it_ends_and_nothing_new_begins(
    mill: Headless, eve: Patient, data: str, nodes: tuple[Beside, Beside]
) -> None:
    with others.only(mill, eve, "a"):
        job, child = held_on(nodes[0], mill, eve, data)
    set_state(eve, "a", "draining")
    time.sleep(HEARD_S)
    child.resume()
    try:
        assert course(eve, job) == [("a", "done")]
        after = [phases.submit(eve, data, epochs=1) for _each in range(2)]
        assert [course(eve, each) for each in after] == [[("b", "done")]] * 2
    finally:
        set_state(eve, "a", "active")


def test_who_gives_way_saves_its_state_and_goes_on_from_there_elsewhere(
    mill: Headless, eve: Patient, data: str, nodes: tuple[Beside, Beside]
) -> None:
    ann, bob = mill.patient("ann"), mill.patient("bob")
    with others.only(mill, eve, "a"):
        ann.ended(phases.submit(ann, data, epochs=1))
        mill.manage("shell", "-c", HOURS_SPENT)
        job, child = held_on(nodes[0], mill, ann, data)
        first = phases.submit(bob, data, epochs=EPOCHS)
        sql = "SELECT request FROM queue_job WHERE id = ?"
        until(lambda: mill.value(sql, job["id"]) == "preempt", "it is not asked to give way")
        time.sleep(HEARD_S)
        child.resume()
        phases.has_learnt(bob, first, 1)
        others_child = mill.child(node=nodes[0].top)
        others_child.suspend()
        assert ann.get(f"/jobs/{job['id']}")["status"] == "queued"
    assert course(ann, job) == [("a", "preempted"), ("b", "done")]
    went_on(mill, ann, job)
    others_child.resume()
    assert course(bob, first) == [("a", "done")]


HOURS_SPENT = """
from portal.ledger.models import Quota
from portal.members.models import Member
Quota.objects.update_or_create(member=Member.objects.get(username="ann"), defaults={"cpu_hours": 1e-6})
"""  # over them a job gives way at once, where others are protected for five minutes
