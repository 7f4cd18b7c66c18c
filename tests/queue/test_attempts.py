"""Running attempts, with a real warm parent and the faults that befall them."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Q

from hardware.nodes.models import Node
from jobs.queue import bells, lifecycle, nodefiles, pulse, services, sweeps
from jobs.queue import supervise as supervise_module
from jobs.queue.kinds import Assignment
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job, Request
from jobs.queue.reasons import EndReason, Status
from jobs.queue.supervise import Supervisor
from jobs.runner.warm import WarmParent
from portal.core import storage
from portal.ledger.models import LedgerEntry
from portal.members.models import Member

pytestmark = pytest.mark.django_db(transaction=True)
Submit = Callable[..., Job]
Warm = Callable[..., WarmParent]
ENGINE = Path(__file__).parent / "engine"


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    """A warm parent of this node; it may take three seconds to be ready."""
    opened: list[WarmParent] = []

    def make(*, slow: bool = False, broken: bool = False) -> WarmParent:
        storage.blobs_root().mkdir(exist_ok=True)
        preload = ["not_installed"] if broken else ["slow_to_load"] if slow else ["json"]
        home = Path(settings.HOME) / "node"
        made = WarmParent(
            home, target="short_tasks:run", preload=preload, code=[ENGINE], shared=[storage.blobs_root()]
        )
        made.start()
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.close()


@pytest.fixture
def begin(submit: Submit, node: Node) -> Callable[..., Attempt]:
    """An attempt at a job that does `do`, sent to the node."""

    def make(do: str, **changes: object) -> Attempt:
        job = submit()
        Job.objects.filter(pk=job.pk).update(spec=job.spec | {"params": {"do": do}}, **changes)
        job.refresh_from_db()
        return lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))

    return make


def supervise(attempt: Attempt, warm: WarmParent, *, draining: bool = False) -> threading.Thread:
    """The attempt runs, in a thread of its own."""
    held = lifecycle.claim(attempt.pk, holder="test")
    assert held is not None

    def run() -> None:
        try:
            Supervisor(held, warm, lambda: draining).run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def ended(attempt: Attempt, thread: threading.Thread, within: float = 20.0) -> Job:
    thread.join(timeout=within)
    assert not thread.is_alive()
    assert not (nodefiles.attempts_root() / attempt.pk).exists()
    return Job.objects.get(pk=attempt.job_id)


def test_a_lease_is_kept_while_the_engine_is_still_loading(
    begin: Callable[..., Attempt], warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "LEASE_S", 1.2)
    monkeypatch.setattr(pulse, "RENEW_S", 0.2)
    monkeypatch.setattr(pulse, "LOOK_S", 0.2)
    attempt = begin("count")
    thread = supervise(attempt, warm(slow=True))
    while thread.is_alive():
        assert sweeps.reap() == 0
        time.sleep(0.2)
    job = ended(attempt, thread)
    assert (job.end_reason, job.message) == (EndReason.NAN_LOSS, "counted")
    assert job.attempts.count() == 1


def test_what_it_used_is_charged_with_the_energy_that_it_took(
    begin: Callable[..., Attempt], warm: Warm
) -> None:
    attempt = begin("count")
    ended(attempt, supervise(attempt, warm()))
    entry = LedgerEntry.objects.get(attempt=attempt.pk)
    assert entry.device_seconds > 0
    assert entry.energy_kwh is not None
    assert 0 < entry.energy_kwh < 0.1


def test_what_is_cancelled_while_the_engine_loads_never_starts(
    begin: Callable[..., Attempt], warm: Warm, alice: Member
) -> None:
    attempt = begin("count")
    thread = supervise(attempt, warm(slow=True))
    services.cancel_job(job=attempt.job, actor=alice)
    job = ended(attempt, thread, within=2.5)
    assert (job.status, job.started_at) == (Status.CANCELLED, None)


def test_a_node_that_goes_gives_back_what_waits_for_the_engine(
    begin: Callable[..., Attempt], warm: Warm
) -> None:
    attempt = begin("count")
    job = ended(attempt, supervise(attempt, warm(slow=True), draining=True), within=2.5)
    assert job.status == Status.QUEUED
    assert job.attempts.get().end_reason == EndReason.DRAINED


def test_where_the_engine_does_not_start_a_job_goes_elsewhere(
    begin: Callable[..., Attempt], warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise_module, "TROUBLE_S", 0.3)
    engine = warm(broken=True)
    attempt = begin("count")
    job = ended(attempt, supervise(attempt, engine))
    assert job.status == Status.QUEUED
    assert job.attempts.get().end_reason == EndReason.DRAINED
    assert "not_installed" in engine.trouble


def test_what_was_asked_before_the_start_is_obeyed_at_once(begin: Callable[..., Attempt], warm: Warm) -> None:
    for _again in range(3):
        attempt = begin("obey", request=Request.STOP)
        job = ended(attempt, supervise(attempt, warm()))
        assert (job.end_reason, job.message) == (EndReason.NAN_LOSS, "stop")
        assert job.attempts.count() == 1


def told_to_give_way(attempt: Attempt, thread: threading.Thread) -> Job:
    """Once it has said how far it is."""
    rows = Job.objects.filter(pk=attempt.job_id)
    while not rows.get().position:
        assert thread.is_alive()
        time.sleep(0.05)
    rows.update(request=Request.PREEMPT)
    bells.wake_control(rows.get())
    return ended(attempt, thread)


@pytest.mark.parametrize("do", ["save_slowly", "step_slowly"])
def test_who_needs_long_to_save_and_leave_is_given_the_time(
    do: str, begin: Callable[..., Attempt], warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "OBEY_S", 0.3)
    monkeypatch.setattr(pulse, "LOOK_S", 0.1)
    attempt = begin(do)
    job = told_to_give_way(attempt, supervise(attempt, warm()))
    assert (job.message, job.checkpoint_step) == ("saved in time", 2)


def test_who_would_take_for_ever_is_ended(
    begin: Callable[..., Attempt], warm: Warm, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(pulse, "OBEY_S", 0.3)
    settings.HUNG_AFTER_S = 2
    attempt = begin("stay")
    job = told_to_give_way(attempt, supervise(attempt, warm()))
    assert (job.status, job.checkpoint_step) == (Status.QUEUED, 1)
    assert job.attempts.get().end_reason == EndReason.PREEMPTED
    whole, given_back = charges(attempt)
    assert 2.0 < given_back < whole - 0.5  # what it did before its checkpoint is charged


def charges(attempt: Attempt) -> tuple[float, float]:
    """(seconds charged, seconds of them given back)."""
    entry, *back = LedgerEntry.objects.filter(attempt=attempt.pk).order_by("-device_seconds")
    assert [each.corrects for each in back] in ([], [entry])
    return entry.device_seconds, -sum(each.device_seconds for each in back)


def test_who_saves_and_leaves_in_time_is_charged_for_all(begin: Callable[..., Attempt], warm: Warm) -> None:
    attempt = begin("leave")
    job = told_to_give_way(attempt, supervise(attempt, warm()))
    assert (job.status, job.checkpoint_step) == (Status.QUEUED, 1)
    assert job.attempts.get().end_reason == EndReason.PREEMPTED
    assert charges(attempt)[1] == 0


def test_who_is_ended_before_it_ever_saved_has_all_given_back(
    begin: Callable[..., Attempt], warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "OBEY_S", 0.3)
    monkeypatch.setattr(pulse, "LOOK_S", 0.1)
    attempt = begin("count")
    job = told_to_give_way(attempt, supervise(attempt, warm()))
    whole, given_back = charges(attempt)
    assert given_back == pytest.approx(whole)
    assert (
        "What it had done since its last checkpoint is given back" in job.events.order_by("-id")[0].sentence
    )


def test_what_it_takes_to_save_is_known_on_the_next_node_too(
    begin: Callable[..., Attempt], warm: Warm
) -> None:
    attempt = begin("count", position={"checkpoint_s": 40.0, "steps_per_s": 0.5})
    ended(attempt, supervise(attempt, warm()))
    assert Job.objects.get(pk=attempt.job_id).position["checkpoint_s"] == 40.0


def test_a_lost_lease_ends_the_engine_and_writes_nothing(begin: Callable[..., Attempt], warm: Warm) -> None:
    attempt = begin("obey")
    thread = supervise(attempt, warm())
    attempt.refresh_from_db()
    assert lifecycle.take_away(attempt, EndReason.NODE_LOST, only=Q()) is not None
    job = ended(attempt, thread)
    assert (job.status, job.end_reason) == (Status.QUEUED, "")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only a server can hang up")
def test_a_database_that_hangs_up_again_and_again_costs_nothing(
    begin: Callable[..., Attempt], warm: Warm
) -> None:
    attempt = begin("count")
    thread = supervise(attempt, warm())
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        time.sleep(0.4)
    job = ended(attempt, thread)
    assert (job.end_reason, job.message) == (EndReason.NAN_LOSS, "counted")
    assert list(job.metric_rows.values_list("step", flat=True)) == list(range(30))
    text = "".join(job.log_chunks.values_list("text", flat=True))
    assert text.splitlines() == [f"step {step}" for step in range(30)]


def test_what_tells_why_a_build_failed_stays_with_it_and_nothing_else(
    begin: Callable[..., Attempt], warm: Warm
) -> None:
    attempt = begin("break_down")
    job = ended(attempt, supervise(attempt, warm()))
    assert (job.status, job.message) == (Status.FAILED, "broke down")
    kept = job.artefacts.get()
    with storage.open_blob(kept.blob) as file:
        assert (kept.name, file.read()) == ("tools.log", b"tools.log of one that broke")


def test_who_lost_its_lease_leaves_no_evidence(submit: Submit, start: Callable[[Job], Held]) -> None:
    held = start(submit())
    lifecycle.end(held, EndReason.CRASHED)
    with pytest.raises(lifecycle.StaleLease):
        lifecycle.keep(held, "tools.log", storage.put_bytes(b"said"))
    assert not Job.objects.get().artefacts.exists()


def test_a_shelf_of_the_node_is_shown_beside_the_inputs(submit: Submit, start: Callable[[Job], Held]) -> None:
    supervisor = Supervisor(start(submit()), WarmParent(nodefiles.cache_root()), lambda: False)
    blob = storage.put_bytes(b"data")
    given = Assignment(task={}, inputs={"data/upload": blob}, shelf="bitstreams")
    with supervisor._inputs(given) as shown:
        assert shown == {
            nodefiles.shelf("bitstreams"): "/job/in/bitstreams",
            storage.path_of(blob.sha256): "/job/in/data/upload",
        }
