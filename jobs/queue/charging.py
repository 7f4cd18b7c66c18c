"""What an attempt is charged when it ends: device-seconds × price × max(memory fraction, compute share).

The compute share of an attempt is 1/n while n attempts are on its accelerator, averaged over its time; the memory
fraction is what its job asked for of the accelerator's memory. Who has an accelerator alone is charged for all of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from hardware.nodes import consumption
from hardware.nodes.models import Accelerator, AcceleratorKind
from hardware.nodes.probe.energy import PROCESSOR, Energy
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import UNSAVED, Policy
from portal.ledger import services as ledger

MIB = 1024**2
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Took:
    """How long an attempt ran, in seconds by a clock that nobody sets, and the energy it took; None is not told, as
    when its node died: then both are estimated. lost_s: for how long of that it did what was not saved when it ended.
    """

    seconds: float | None = None
    energy: Energy | None = None
    lost_s: float = 0.0


UNKNOWN = Took()


def charge(attempt: Attempt, job: Job, took: Took, policy: Policy) -> None:
    """Enter an attempt that just ended for a reason with this policy, and what of it is given back; nothing when its
    engine never began.
    """
    if attempt.started_at is None or attempt.ended_at is None:
        return
    seconds = took.seconds
    if seconds is None:
        seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    accelerators = list(attempt.accelerators.all())
    span = attempt.started_at, attempt.ended_at
    energy = took.energy or _estimated(attempt, span, accelerators, max(0.0, seconds))
    entry = ledger.charge(
        member=job.owner,
        attempt_id=attempt.pk,
        kind=attempt.accelerator_kind,
        device_seconds=max(0.0, seconds) * max(1, len(accelerators)),
        refunded=policy.platform_fault,
        cost=ledger.Cost(
            weight=_weight(attempt, span, accelerators, _memory(job)),
            node=attempt.node_name,
            energy_kwh=energy.kwh if energy else None,
            energy_measured=energy is not None and energy.measured,
            began_at=attempt.started_at,
            ended_at=attempt.ended_at,
        ),
    )
    if policy.gives_way and took.lost_s > 0:
        ledger.give_back_lost(entry, part=took.lost_s / max(seconds, took.lost_s), reason=str(UNSAVED))


def _memory(job: Job) -> int:
    """The bytes that it is held to; 0 without a limit, with which nobody comes beside it."""
    return int((job.spec.get("resources") or {}).get("memory_mb") or 0) * MIB


def _weight(attempt: Attempt, span: Span, accelerators: Sequence[Accelerator], memory: int) -> float:
    """Price times part, the mean over its accelerators; 1.0 when they are gone."""
    if not accelerators:
        return 1.0
    beside = _beside(attempt, span, accelerators)
    parts = (
        one.price
        * mean_part(span, beside[one.pk], min(1.0, memory / one.memory_bytes if one.memory_bytes else 0.0))
        for one in accelerators
    )
    return sum(parts) / len(accelerators)


def _beside(attempt: Attempt, span: Span, accelerators: Sequence[Accelerator]) -> dict[str, list[Span]]:
    """When others were on these accelerators during `span`; who is there still, is until its end."""
    rows = _meanwhile(attempt, span).filter(accelerators__in=accelerators)
    found: dict[str, list[Span]] = defaultdict(list)
    for accelerator, since, until in rows.values_list("accelerators", "started_at", "ended_at"):
        if since is not None:
            found[accelerator].append((since, until or span[1]))
    return found


def _meanwhile(attempt: Attempt, span: Span) -> QuerySet[Attempt]:
    """The others on its node."""
    begin, end = span
    still = Q(ended_at=None) | Q(ended_at__gt=begin)
    return Attempt.objects.filter(still, node=attempt.node_id, started_at__lt=end).exclude(pk=attempt.pk)


def _estimated(
    attempt: Attempt, span: Span, accelerators: Sequence[Accelerator], seconds: float
) -> Energy | None:
    """Of an attempt whose node can't tell any more: time × mean power, of the processor and of its accelerators, each
    divided among those on it. None when the node is forgotten, or nothing is known of its processor.
    """
    if attempt.node is None:
        return None
    drew = consumption.watts(attempt.node, *span)
    processor = next((one for one in drew if (one.kind, one.index) == PROCESSOR), None)
    if processor is None:
        return None
    beside = _beside(attempt, span, accelerators)
    others = [
        (since, until or span[1])
        for since, until in _meanwhile(attempt, span).values_list("started_at", "ended_at")
        if since is not None
    ]
    whole = drew[processor] * mean_part(span, others, 0.0)
    for one in accelerators:
        if one.kind != AcceleratorKind.CPU:
            whole += drew.get(one, 0.0) * mean_part(span, beside[one.pk], 0.0)
    return Energy(whole * seconds, measured=False)


def mean_part(span: Span, others: Iterable[Span], memory: float) -> float:
    """The mean over `span` of max(`memory`, 1/n), n being one and those of the `others` that are there."""
    begin, end = span
    length = (end - begin).total_seconds()
    if length <= 0:
        return 1.0
    changes = sorted(
        change
        for since, until in others
        if max(since, begin) < min(until, end)
        for change in ((max(since, begin), 1), (min(until, end), -1))
    )
    whole, there, at = 0.0, 1, begin
    for moment, change in [*changes, (end, 0)]:
        whole += (moment - at).total_seconds() * max(memory, 1 / there)
        there, at = there + change, moment
    return whole / length
