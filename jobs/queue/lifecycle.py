"""The one door through which jobs and attempts change status.

Every move is a guarded update (old status, and for a node its lease) with its event row in the same transaction. Who
lost the race or the lease gets StaleLease and has changed nothing. Times are the database's: nodes' clocks may err.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from hardware.nodes.models import Accelerator, Node
from hardware.nodes.probe.energy import Energy
from jobs.queue import blame, charging
from jobs.queue.kinds import KINDS
from jobs.queue.models import Artefact, Attempt, Job, JobEvent, Request
from jobs.queue.reasons import FINAL, MOVES, POLICY, UNSAVED, EndReason, Policy, Status
from portal.core import leases, live
from portal.core.leases import StaleLease
from portal.core.models import Blob

log = logging.getLogger(__name__)
LEASE_S = 30.0
CLAIM_S = 60.0
CUT_OFF = _("Its node could not reach the portal for a while. It goes on from its last checkpoint.")


@dataclass(frozen=True)
class Held:
    """An attempt and the epoch under which its node acts for it (its fencing token)."""

    attempt_id: str
    job_id: str
    epoch: int


def group_of(job_id: str) -> str:
    """The live-update group of a job."""
    return f"job.{job_id}"


def _move(job: Job, to: Status, *, reason: str = "", sentence: str = "", **changes: Any) -> None:
    """Move `job` from the status it was read with. Call it in a transaction."""
    old = Status(job.status)
    if to not in MOVES[old]:
        raise StaleLease(f"a {old} job does not become {to}")
    if to in FINAL:
        changes |= {"ended_at": Now(), "request": Request.NONE}
    if Job.objects.filter(pk=job.pk, status=old).update(status=to, **changes) != 1:
        raise StaleLease
    JobEvent.objects.create(job_id=job.pk, old=old, new=to, reason=reason, sentence=sentence)
    _take_over(job, {"status": to, **changes})
    _tell([_Moved(job.pk, old, to, reason, sentence)])
    if to in FINAL or to == Status.QUEUED:
        live.ring("scheduler")


def _take_over(job: Job, changes: Mapping[str, Any]) -> None:
    """Have `job` hold what was written; of what the database worked out, what came of it."""
    told = {name for name, value in changes.items() if hasattr(value, "resolve_expression")}
    for name in changes.keys() - told:
        setattr(job, name, changes[name])
    if told:
        job.refresh_from_db(fields=told)


@dataclass(frozen=True)
class _Moved:
    """A move of a job, for who watches and for the log."""

    job: str
    old: Status
    new: Status
    reason: str
    sentence: str

    @property
    def message(self) -> dict[str, Any]:
        return {"type": "status", "status": self.new, "reason": self.reason, "sentence": self.sentence}


def _tell(moves: Sequence[_Moved]) -> None:
    """Once the transaction is committed."""
    transaction.on_commit(lambda: _log_moves(moves), robust=True)
    live.publish_all([(group_of(move.job), move.message) for move in moves])


def _log_moves(moves: Sequence[_Moved]) -> None:
    for move in moves:
        why = f" ({move.reason})" if move.reason else ""
        log.info("%s → %s%s", move.old, move.new, why, extra={"job": move.job})


def note(job_id: str, status: Status, sentence: str) -> None:
    """An event that is no move: something a member should read in the history."""
    JobEvent.objects.create(job_id=job_id, old=status, new=status, sentence=sentence)


@dataclass(frozen=True)
class Start:
    """A queued job and what it is to run on, all of one node."""

    job: Job
    node: Node
    accelerators: Sequence[Accelerator]


def begin(job: Job, *, node: Node, accelerators: Sequence[Accelerator]) -> Attempt:
    """Queued → starting: a new attempt on `node`, leased to it until it claims it. StaleLease if the job moved on."""
    attempt = begin_all([Start(job, node, accelerators)])[0]
    attempt.refresh_from_db()
    job.status = Status.STARTING
    return attempt


def queued(jobs: Iterable[str]) -> dict[str, Job]:
    """Those of these jobs that wait and are to be started: they stay so until the transaction ends."""
    rows = Job.objects.filter(pk__in=list(jobs), status=Status.QUEUED).exclude(request=Request.CANCEL)
    return {job.pk: job for job in rows.order_by("pk").select_for_update(of=("self",))}


@transaction.atomic
def begin_all(starts: Sequence[Start]) -> list[Attempt]:
    """The same for several jobs in as many statements as for one. StaleLease, and nothing was begun, if any of them
    moved on.
    """
    jobs = [start.job.pk for start in starts]
    if Job.objects.filter(pk__in=jobs, status=Status.QUEUED).update(status=Status.STARTING) != len(jobs):
        raise StaleLease
    moves = [
        _Moved(each.job.pk, Status.QUEUED, Status.STARTING, "", f"Sent to {each.node.name}.")
        for each in starts
    ]
    JobEvent.objects.bulk_create(
        JobEvent(job_id=move.job, old=move.old, new=move.new, sentence=move.sentence) for move in moves
    )
    attempts = Attempt.objects.bulk_create(_new_attempts(starts))
    through = Attempt.accelerators.through
    through.objects.bulk_create(
        through(attempt_id=attempt.pk, accelerator_id=accelerator.pk)
        for attempt, start in zip(attempts, starts, strict=True)
        for accelerator in start.accelerators
    )
    _tell(moves)
    return attempts


def _new_attempts(starts: Sequence[Start]) -> Iterator[Attempt]:
    past = Attempt.objects.filter(job__in=[start.job.pk for start in starts])
    counts = dict(past.values_list("job").order_by().annotate(count=Count("pk")))
    for start in starts:
        yield Attempt(
            job=start.job,
            number=counts.get(start.job.pk, 0) + 1,
            node=start.node,
            node_name=start.node.name,
            accelerator_kind=start.accelerators[0].kind,
            holder=start.node.name,
            epoch=1,
            lease_expires_at=leases.in_future(CLAIM_S),
        )


def claim(attempt_id: str, *, holder: str, node: Node | None = None) -> Held | None:
    """Become the one process that runs this attempt; None if another did, it has ended, or it is another `node`'s."""
    with transaction.atomic():
        rows = Attempt.objects.filter(pk=attempt_id, claimed_at=None, ended_at=None)
        if node is not None:
            rows = rows.filter(node=node)
        claimed = rows.update(
            claimed_at=Now(),
            progressed_at=Now(),
            holder=holder,
            epoch=F("epoch") + 1,
            lease_expires_at=leases.in_future(LEASE_S),
        )
        if claimed != 1:
            return None
        attempt = Attempt.objects.get(pk=attempt_id)
    return Held(attempt.pk, attempt.job_id, attempt.epoch)


def own(held: Held, **changes: Any) -> None:
    """Write to the held attempt; StaleLease if it is not held any more. First line of every write of a node."""
    changes = changes or {"holder": F("holder")}
    rows = Attempt.objects.filter(pk=held.attempt_id, epoch=held.epoch, ended_at=None)
    if rows.update(**changes) != 1:
        raise StaleLease


@transaction.atomic
def keep(held: Held, name: str, blob: Blob) -> None:
    """Have a file that the held attempt left stay with its job. StaleLease if it is not held any more."""
    own(held)
    Artefact.objects.update_or_create(job_id=held.job_id, name=name, defaults={"blob": blob})


def renew(held: Held) -> str:
    """Extend the lease; what was asked of the job meanwhile (a `Request`). StaleLease if it was lost."""
    rows = Attempt.objects.filter(pk=held.attempt_id, ended_at=None)
    leases.renew(rows, epoch=held.epoch, ttl_s=LEASE_S)
    return requested(held)


def requested(held: Held) -> str:
    return Job.objects.values_list("request", flat=True).get(pk=held.job_id)


@transaction.atomic
def started(held: Held) -> None:
    """Starting → running: the engine has begun."""
    own(held, started_at=Now(), progressed_at=Now())
    job = Job.objects.select_for_update().get(pk=held.job_id)
    if job.status == Status.RUNNING:  # said twice
        return
    first = Coalesce(F("started_at"), Now())
    _move(job, Status.RUNNING, sentence="The engine has started.", started_at=first)


@transaction.atomic
def end(
    held: Held,
    reason: EndReason,
    *,
    message: str = "",
    peak_memory_bytes: int | None = None,
    seconds: float | None = None,
    energy: Energy | None = None,
    lost_s: float = 0.0,
) -> Job:
    """End the held attempt for `reason` and move its job on: to a final status, or back into the queue. `seconds` is
    how long it ran, by a clock that nobody sets; without it the times written down tell. `energy` is what it took,
    `lost_s` for how long of that it did what it has not saved.

    Success is not recorded here but by the caller in the same transaction (`jobs.queue.kinds`).
    """
    own(held, ended_at=Now(), end_reason=reason, lease_expires_at=None, peak_memory_bytes=peak_memory_bytes)
    attempt = Attempt.objects.get(pk=held.attempt_id)
    return _settle(attempt, reason, message, charging.Took(seconds, energy, lost_s))


def reap(attempt: Attempt, reason: EndReason = EndReason.NODE_LOST) -> Job | None:
    """End an attempt whose lease ran out. None if it was renewed or ended meanwhile."""
    return take_away(attempt, reason, only=leases.free())


def withdraw(attempt: Attempt, reason: EndReason) -> Job | None:
    """End an attempt that no node has begun with. None if one has, or it was ended meanwhile."""
    return take_away(attempt, reason, only=Q(claimed_at=None))


@transaction.atomic
def excuse(attempt_id: str, *, holder: str) -> None:
    """The node of this attempt lives, and was cut off from the database for longer than a lease lasts. So its loss
    says nothing about the job, and does not count against its retries. If the attempt is open still, it ends now.
    """
    attempt = Attempt.objects.filter(pk=attempt_id).first()  # its job may have been deleted
    if attempt is None:
        return
    Attempt.objects.filter(pk=attempt_id).update(cut_off=True)
    take_away(attempt, EndReason.NODE_LOST, only=Q(holder=holder), message=str(CUT_OFF))


@transaction.atomic
def take_away(attempt: Attempt, reason: EndReason, *, only: Q, message: str = "") -> Job | None:
    """End an open attempt from outside, as long as it is `only` such a one; whoever held it is fenced off."""
    rows = Attempt.objects.filter(only, pk=attempt.pk, epoch=attempt.epoch, ended_at=None)
    if rows.update(ended_at=Now(), end_reason=reason, epoch=F("epoch") + 1, lease_expires_at=None) != 1:
        return None
    attempt.refresh_from_db()
    return _settle(attempt, reason, message)


def _settle(attempt: Attempt, reason: EndReason, message: str, took: charging.Took = charging.UNKNOWN) -> Job:
    """Move the job of an attempt that just ended. Its row is locked first: what is asked of it now is heard."""
    job, policy = Job.objects.select_for_update().get(pk=attempt.job_id), POLICY[reason]
    charging.charge(attempt, job, took, policy)
    if policy.gives_way and took.lost_s > 0:
        message = message or str(UNSAVED)
    if job.request == Request.CANCEL and policy.final != Status.SUCCEEDED:
        _finish(job, EndReason.CANCELLED, "")
    elif policy.final == Status.FAILED and _may_retry(job, reason, policy):
        _move(job, Status.QUEUED, reason=reason, sentence=_sentence(reason, message), request=_kept(job))
    else:
        _finish(job, _final_reason(reason, policy), message)
    return job


def _kept(job: Job) -> str:
    """What was asked by a person outlives the attempt; what the platform asked does not."""
    return job.request if job.request in {Request.CANCEL, Request.STOP} else Request.NONE


def _may_retry(job: Job, reason: EndReason, policy: Policy) -> bool:
    """Whether `reason` is to be tried again. An attempt that never reached a node says nothing about the job."""
    if policy.retries is None:
        return True
    if reason == EndReason.NODE_LOST:
        return blame.may_be_lost_again(job)
    return job.attempts.filter(end_reason=reason, claimed_at__isnull=False).count() <= policy.retries


def _final_reason(reason: EndReason, policy: Policy) -> EndReason:
    return policy.exhausted or reason


def _finish(job: Job, reason: EndReason, message: str) -> None:
    # A starting attempt may fail, but succeed only once it ran; MOVES says so.
    to = POLICY[reason].final
    text = message or str(reason.label)
    changes: dict[str, Any] = {}
    if to == Status.SUCCEEDED:  # nothing goes on from its checkpoint: the sweep frees the bytes
        changes = {"progress": 1.0, "checkpoint": None, "checkpoint_step": None}
    _move(job, to, reason=reason, sentence=text, end_reason=reason, message=text, **changes)
    if to != Status.SUCCEEDED and (kind := KINDS.get(job.kind)):
        kind.ended(job)


def _sentence(reason: EndReason, message: str) -> str:
    return message or str(reason.label)


@transaction.atomic
def cancel_queued(job: Job) -> bool:
    """Queued → cancelled; False if it has left the queue meanwhile."""
    try:
        with transaction.atomic():
            _finish(job, EndReason.CANCELLED, "")
    except StaleLease:
        return False
    return True
