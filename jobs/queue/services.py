"""What may be done with jobs: submit, cancel, stop; for stewards also raise, and queue again."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.datasets.models import Dataset, Version
from jobs.engine.spec import JobKind, JobSpec
from jobs.queue import admission, bells, lifecycle
from jobs.queue.fitting import Expected
from jobs.queue.models import Attempt, Job, JobEvent, Request, Submission
from jobs.queue.reasons import FINAL, EndReason, Status
from jobs.queue.yields import Yield
from portal.core import live
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member
from portal.members.services import audit, audit_of_another

KEY_LIVES = timedelta(hours=24)
BELL = "scheduler"
MOST_BOOST = 1000.0
STEP = 4.0  # by which a steward brings a job forward at once, or holds it back


def fingerprint(body: Any) -> str:
    """SHA-256 of a request's JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def submit_job(*, owner: Member, spec: JobSpec, idempotency_key: str = "") -> Job:
    """Queue what `spec` asks for, checked against the machine, the data and the quotas (`jobs.queue.admission`).

    The same key again within 24 hours yields the same job; with another body, UserError `idempotency_mismatch`.
    Raises UserError for whatever can never run.
    """
    return once(
        owner=owner,
        key=idempotency_key,
        body=spec.model_dump(mode="json") if idempotency_key else None,
        create=lambda: _create(owner, spec),
    )


def once(*, owner: Member, key: str, body: Any, create: Callable[[], Job]) -> Job:
    """The job that `create` makes, or the one that the same `key` and `body` made within 24 hours; without a key always
    a new one. UserError `idempotency_mismatch` for another body.
    """
    if not key:
        return create()
    printed = fingerprint(body)
    if known := _known(owner, key, printed):
        return known
    try:
        with transaction.atomic():
            job = create()
            Submission.objects.create(owner=owner, key=key, body_sha256=printed, job=job)
    except IntegrityError:  # the same request, twice at once: the other one won
        known = _known(owner, key, printed)
        if known is None:
            raise
        return known
    return job


def _known(owner: Member, key: str, body: str) -> Job | None:
    row = Submission.objects.select_related("job").filter(owner=owner, key=key).first()
    if row is None:
        return None
    if row.created_at < timezone.now() - KEY_LIVES:
        row.delete()
        return None
    if row.body_sha256 != body:
        raise UserError(
            "idempotency_mismatch",
            _("This Idempotency-Key was used for another request. Use a new key for a new job."),
            status=409,
        )
    return row.job


def _create(owner: Member, spec: JobSpec) -> Job:
    admitted = admission.admit(owner=owner, spec=spec)
    job = submit_internal(
        owner=owner,
        kind="train",
        name=spec.name or f"{admitted.version.dataset.name} · {admitted.recipe.title}",
        spec=admitted.spec,
        recipe=admitted.recipe.name,
        dataset=admitted.version.dataset,
        version=admitted.version,
        accelerator=spec.resources.accelerator,
        expected=admitted.expected,
    )
    job.yielded = Yield()  # nothing yet, and who describes it need not ask
    prefetch_related_objects([job], Prefetch("attempts", Attempt.objects.none()))
    return job


@transaction.atomic
def submit_internal(
    *,
    owner: Member,
    kind: str,
    name: str,
    spec: dict[str, Any],
    recipe: str = "",
    dataset: Dataset | None = None,
    version: Version | None = None,
    accelerator: str = "any",
    expected: Expected | None = None,
) -> Job:
    """Queue a job that needs no further checks, and wake the scheduler. UserError when its data is deleted now."""
    if version is not None:
        _hold(version)
    job = Job.objects.create(
        owner=owner,
        kind=kind,
        name=name[:120],
        spec=spec,
        recipe=recipe,
        dataset=dataset,
        version=version,
        accelerator=accelerator,
        fit=expected.fit if expected else {},
        macs=expected.macs if expected else None,
    )
    said = " ".join(filter(None, [_("Submitted."), expected.sentence if expected else ""]))
    JobEvent.objects.create(job=job, old="", new=Status.QUEUED, sentence=said)
    live.ring(BELL)
    return job


def _hold(version: Version) -> None:
    """Until the job is there its data can't be deleted: who deletes a dataset locks its row."""
    Dataset.objects.select_for_update(no_key=True).filter(pk=version.dataset_id).first()
    if not Version.objects.filter(pk=version.pk).exists():
        raise UserError("unknown_dataset", _("This dataset was deleted just now."), status=404)


def cancel_job(*, job: Job, actor: Member) -> Job:
    """End the job. What runs saves a checkpoint and ends within seconds. UserError `already_ended`."""
    return _ask(job, Request.CANCEL, _("%(who)s asked to cancel it."), actor)


def stop_job(*, job: Job, actor: Member) -> Job:
    """End training now, keep the best so far. UserError `already_ended`, or `not_started` when nothing is to keep."""
    if job.status == Status.QUEUED and job.checkpoint_id is None:
        detail = _("It has not started, so there is nothing to keep yet. Cancel it instead.")
        raise UserError("not_started", detail, status=409)
    return _ask(job, Request.STOP, _("%(who)s asked to stop it and keep the best so far."), actor)


def raise_job(*, job: Job, factor: float, actor: Member) -> Job:
    """Multiply the weight of an open job by `factor`, a steward's word: more brings it forward, less holds it back.
    UserError `already_ended`, or `invalid` for a factor that is not between 1/1000 and 1000 in all.
    """
    with transaction.atomic():
        current = Job.objects.select_for_update().get(pk=job.pk)
        _refuse_if_ended(current)
        boost = current.boost * factor
        if not 1 / MOST_BOOST <= boost <= MOST_BOOST:
            detail = _("It was raised or lowered as far as it goes already.")
            raise UserError("invalid", detail, errors=[FieldError("factor", detail)])
        Job.objects.filter(pk=job.pk).update(boost=boost)
        audit(actor, "job.raised", current, {"factor": factor, "boost": boost})
        lifecycle.note(job.pk, Status(current.status), _raised(actor, factor))
        live.ring(BELL)
    return _fresh(job)


def _raised(actor: Member, factor: float) -> str:
    word = _("%(who)s brought it forward.") if factor > 1 else _("%(who)s held it back.")
    return word % {"who": actor.username}


def requeue_job(*, job: Job, actor: Member) -> Job:
    """Have what runs give its place back and wait again, from its checkpoint; submit anew, for its owner, what failed
    or was cancelled. The job that waits then. UserError when it waits already, succeeded, or can't run any more.
    """
    if job.status in {Status.STARTING, Status.RUNNING}:
        return _ask(job, Request.PREEMPT, _("%(who)s asked to queue it again."), actor)
    if job.status == Status.QUEUED:
        raise UserError("already_queued", _("It waits in the queue already."), status=409)
    if job.status == Status.SUCCEEDED or job.kind != JobKind.TRAIN:
        raise UserError("already_ended", _("It has ended, and there is nothing to do again."), status=409)
    with transaction.atomic():
        again = _create(job.owner, JobSpec.model_validate(job.spec | {"name": job.name}))
        audit(actor, "job.requeued", job, {"as": again.pk})
        lifecycle.note(again.pk, Status.QUEUED, _("%(who)s submitted it again.") % {"who": actor.username})
    return again


def _ask(job: Job, request: Request, sentence: str, actor: Member) -> Job:
    with transaction.atomic():
        current = Job.objects.select_for_update().get(pk=job.pk)  # its status can't change under us
        _refuse_if_ended(current)
        if current.status == Status.QUEUED and request == Request.CANCEL:
            lifecycle.cancel_queued(current)
            _audit_of_another(actor, current, request)
        elif current.request not in {request, Request.CANCEL}:
            Job.objects.filter(pk=job.pk).update(request=request)
            lifecycle.note(job.pk, Status(current.status), sentence % {"who": actor.username})
            _audit_of_another(actor, current, request)
            bells.wake_control(current)
    if request == Request.CANCEL and current.status == Status.STARTING:
        _withdraw(current)
    return _fresh(job)


def _audit_of_another(actor: Member, job: Job, request: str) -> None:
    """What a steward does to a member's job is noted."""
    audit_of_another(actor, job.owner, f"job.{request}", job)


def _refuse_if_ended(job: Job) -> None:
    if job.status in FINAL:
        detail = _("It has ended already: %(status)s.") % {"status": job.get_status_display()}
        raise UserError("already_ended", detail, status=409)


def _withdraw(job: Job) -> None:
    """What no node has begun with need not begin. In a transaction of its own: attempts are locked before jobs."""
    for attempt in job.attempts.filter(ended_at=None, claimed_at=None):
        lifecycle.withdraw(attempt, EndReason.CANCELLED)


def _fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)
