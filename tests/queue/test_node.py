"""A node's worker: what it finds when it starts, what it does when it goes, and what it keeps on its disk."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hardware.nodes import services as nodes
from hardware.nodes.models import Node, NodeState
from jobs.datasets.models import Version
from jobs.queue import lifecycle, nodefiles
from jobs.queue.agent import Agent
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason, Status
from portal.kit import identity
from portal.kit.errors import UserError
from tests.nodes.conftest import ELSEWHERE, long_gone

Submit = Callable[..., Job]
Start = Callable[..., Held]
pytestmark = pytest.mark.usefixtures("own_home")


def test_a_home_has_one_worker(tmp_path: Path) -> None:
    with nodefiles.only_worker() as before:
        assert before == ""
        with pytest.raises(UserError) as refused, nodefiles.only_worker():
            pass
        assert refused.value.code == "node_running"
    with nodefiles.only_worker() as before:
        assert before == identity.me()  # whose lock could not be had if it lived


def test_who_was_before_on_a_copied_home_may_live(tmp_path: Path, settings: Any) -> None:
    with nodefiles.only_worker():
        pass
    shutil.copytree(tmp_path / "run", tmp_path / "copy" / "run")
    settings.HOME = tmp_path / "copy"
    with nodefiles.only_worker() as before:
        assert before == ""


def test_what_a_killed_worker_had_claimed_goes_back_at_once(
    submit: Submit, start: Start, node: Node, agent: Agent
) -> None:
    claimed, other = submit(), submit()
    held = start(claimed)
    Attempt.objects.filter(pk=held.attempt_id).update(holder=long_gone())
    elsewhere = start(other)
    Attempt.objects.filter(pk=elsewhere.attempt_id).update(
        node=Node.objects.create(name="mill-2", key_sha256="1" * 64), holder=long_gone()
    )
    agent._disown()
    claimed.refresh_from_db()
    other.refresh_from_db()
    assert (claimed.status, other.status) == (Status.QUEUED, Status.RUNNING)
    with pytest.raises(lifecycle.StaleLease):
        lifecycle.own(held)


def test_what_a_worker_claimed_that_may_live_stays_its_own(
    submit: Submit, start: Start, node: Node, agent: Agent
) -> None:
    """It is on a copy of this home, and cannot be asked: until its lease ends, nobody else runs that job."""
    held = start(submit())
    for holder in (ELSEWHERE, agent.holder):
        Attempt.objects.filter(pk=held.attempt_id).update(holder=holder)
        agent._disown()
        lifecycle.own(held)
    agent._before = ELSEWHERE  # this home's lock was its
    Attempt.objects.filter(pk=held.attempt_id).update(holder=ELSEWHERE)
    agent._disown()
    with pytest.raises(lifecycle.StaleLease):
        lifecycle.own(held)


def test_a_worker_whose_name_another_took_stands_back_until_it_is_gone(
    submit: Submit, node: Node, agent: Agent, settings: Any
) -> None:
    settings.NODE_NAME = node.name
    agent._beat()
    Node.objects.update(worker=ELSEWHERE, key_sha256=hashlib.sha256(nodes.own_key().encode()).hexdigest())
    job = submit()
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    seen = Node.objects.get().last_seen_at
    agent.node = Node.objects.get()
    agent._beat()
    agent.take(attempt.pk)
    assert (agent.displaced, agent._threads) == (True, {})
    assert Node.objects.get().last_seen_at == seen
    agent._give_back()
    assert (Node.objects.get().state, Attempt.objects.get().ended_at) == (NodeState.ACTIVE, None)
    Node.objects.update(last_seen_at=timezone.now() - nodes.HELD_FOR)
    agent._beat()
    assert not agent.displaced
    assert Node.objects.get().worker == agent.holder


@pytest.mark.django_db(transaction=True)
def test_who_goes_takes_nothing_more_and_gives_back_what_waits(
    submit: Submit, node: Node, agent: Agent
) -> None:
    job = submit()
    attempt = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    for beat in agent._beats:
        beat.start()
    agent.stop()
    node.refresh_from_db()
    job.refresh_from_db()
    assert (node.state, job.status) == (NodeState.OFFLINE, Status.QUEUED)
    assert Attempt.objects.get().end_reason == EndReason.DRAINED
    agent.take(attempt.pk)
    assert agent._threads == {}


def test_what_runs_is_asked_to_leave_when_nothing_more_can_be_sent_here(node: Node, agent: Agent) -> None:
    """Else the scheduler, which finds a free place here, sends the same job back."""
    agent.leave()
    assert not agent.is_draining
    agent._give_back()
    assert agent.is_draining
    assert Node.objects.get().state == NodeState.OFFLINE


def test_a_node_in_maintenance_gives_back_what_it_has_not_begun(
    submit: Submit, node: Node, agent: Agent
) -> None:
    job = submit()
    lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))
    Node.objects.update(state=NodeState.MAINTENANCE)
    agent._beat()
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    assert agent.is_draining
    Node.objects.update(state=NodeState.ACTIVE)
    agent._beat()
    assert not agent.is_draining


def test_a_node_that_was_deleted_while_it_works_comes_back(node: Node, agent: Agent) -> None:
    Node.objects.all().delete()
    agent._beat()
    assert agent.node is not None
    assert Node.objects.get().pk == agent.node.pk != node.pk


def test_folders_of_attempts_that_are_over_go_even_if_a_job_forbade_it(tmp_path: Path) -> None:
    over, runs = (nodefiles.attempts_root() / name for name in ("over", "runs"))
    for folder in (over, runs):
        (folder / "out" / "deep").mkdir(parents=True)
        (folder / "out" / "deep" / "file").write_text("x")
    (over / "out" / "out-of-here").symlink_to(tmp_path)
    (over / "out" / "deep").chmod(0)
    (over / "out").chmod(0)
    assert nodefiles.sweep_attempts(keep={"runs"}) == 1
    assert not over.exists()
    assert (runs / "out" / "deep" / "file").exists()


@pytest.fixture
def cached(version: Version) -> Callable[[int, int], Path]:
    """The cache of a version of alice's, of so many bytes, last of use so many seconds ago."""

    def make(size: int, age: int) -> Path:
        number = version.dataset.versions.count() + 1
        made = Version.objects.create(dataset=version.dataset, number=number, upload=version.upload)
        with nodefiles.cache(made.pk) as folder:
            (folder / "pixels").write_bytes(os.urandom(size))
        used = timezone.now().timestamp() - age
        os.utime(folder, (used, used))
        return folder

    return make


def test_caches_over_the_limit_go_oldest_first_but_none_in_use(
    cached: Callable[[int, int], Path], settings: Any
) -> None:
    in_use, old, young = cached(600_000, 300), cached(600_000, 200), cached(600_000, 100)
    settings.NODE_CACHE_MB = 2
    assert nodefiles.sweep_caches() == 0
    settings.NODE_CACHE_MB = 1
    with nodefiles.cache(in_use.name):
        os.utime(in_use, (0, 0))
        assert nodefiles.sweep_caches() == 2
    assert [folder.exists() for folder in (in_use, old, young)] == [True, False, False]


def test_the_cache_of_a_deleted_version_goes(cached: Callable[[int, int], Path]) -> None:
    kept, gone = cached(10, 1), cached(10, 1)
    Version.objects.filter(pk=gone.name).delete()
    assert nodefiles.sweep_caches() == 1
    assert [folder.exists() for folder in (kept, gone)] == [True, False]
