"""Why a job waits and when it starts, in words: what `GET /jobs/{id}/wait` answers, and its page shows.

What lies behind and ahead is told by the database's clock, as the scheduler's times are its.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max, Q, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hardware.nodes.models import Accelerator
from jobs.queue.describe import sentence as state_of
from jobs.queue.kinds import usable
from jobs.queue.models import Job, Outlook
from jobs.queue.places import kind_of
from jobs.queue.reasons import Status
from portal.core import leases
from portal.ledger import queries as ledger
from portal.members.models import Member

MATTERS = 1.15  # a factor within this of 1 is not worth a word
SOON = timedelta(minutes=2)
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
MIB = 1024**2


@dataclass(frozen=True)
class Alternative:
    """What to ask for instead, in words, and when the job would probably start then."""

    change: str
    start: datetime


@dataclass(frozen=True)
class Turn:
    """A waiting job's place in the queue, and when it probably starts in words; "" where nobody can tell."""

    position: int
    when: str


@dataclass(frozen=True)
class Wait:
    """position: 1 is next; None when the job does not wait. made_at: when the scheduler looked; None where it has not,
    and the position is by age behind those that it looked at. terms: the factors of its weight
    (1 is ordinary); start: earliest and latest time, and the chance that it is between them.
    """

    position: int | None
    sentence: str
    factors: list[str] = field(default_factory=list)
    blocker: str | None = None
    terms: dict[str, float] | None = None
    start: dict[str, Any] | None = None
    alternatives: list[Alternative] = field(default_factory=list)
    made_at: datetime | None = None


def wait_of(job: Job) -> Wait:
    """As the scheduler last saw it, some seconds ago."""
    if job.status != Status.QUEUED:
        return Wait(None, state_of(job))
    now = leases.clock()
    looked_at = Outlook.objects.filter(job__status=Status.QUEUED).aggregate(at=Max("made_at"))["at"]
    since = _waits_since(job)
    seen = Outlook.objects.select_related("job__owner").filter(job=job, made_at__gte=since).first()
    if seen is None or seen.made_at < looked_at:
        return Wait(_behind_those_seen(job, looked_at), _unseen(since, looked_at, now))
    allowed = _allowed(seen.job)
    closed = _closed(allowed)
    start = None if closed else _start(seen, now)
    return Wait(
        position=seen.position,
        sentence=(closed or _sentence(seen, allowed, start, now)) + _staleness(seen.made_at, now),
        factors=_factors(seen),
        blocker=seen.blocker,
        terms={"share": seen.share, "length": seen.length, "waiting": seen.waiting},
        start=start,
        alternatives=[
            Alternative(each["change"], datetime.fromisoformat(each["start"])) for each in seen.alternatives
        ],
        made_at=seen.made_at,
    )


def with_turns(jobs: Iterable[Job]) -> list[Job]:
    """These jobs, each with its `turn`; None where it does not wait, or the scheduler has not looked at it lately. One
    query, however many they are; none when none waits.
    """
    found = list(jobs)
    turns = _turns([job.pk for job in found if job.status == Status.QUEUED])
    for job in found:
        job.turn = turns.get(job.pk)  # type: ignore[attr-defined]
    return found


def _turns(jobs: Collection[str]) -> dict[str, Turn]:
    if not jobs:
        return {}
    looks = Outlook.objects.filter(job__status=Status.QUEUED).order_by("-made_at")
    told = Outlook.objects.filter(job__in=jobs, made_at=Subquery(looks.values("made_at")[:1]))
    still = told.exclude(job__attempts__ended_at__gt=F("made_at")).annotate(now=Now())
    return {
        seen.job_id: Turn(seen.position, _span(_start(seen, seen.now), seen.now))
        for seen in still
        if not _is_stale(seen.made_at, seen.now)
    }


def _start(seen: Outlook, now: datetime) -> dict[str, Any] | None:
    if not (seen.earliest and seen.latest and seen.latest > now):
        return None
    return {"earliest": seen.earliest, "latest": seen.latest, "confidence": seen.confidence}


def _waits_since(job: Job) -> datetime:
    """When it came into the queue, or back into it."""
    back: datetime | None = job.attempts.aggregate(at=Max("ended_at"))["at"]
    return max(job.created_at, back) if back else job.created_at


def _behind_those_seen(job: Job, looked_at: datetime | None) -> int:
    """The place of one that the last look did not tell of: by age, behind all of which it did."""
    queued = Job.objects.filter(status=Status.QUEUED).exclude(pk=job.pk)
    told = Q(outlook__made_at=looked_at) if looked_at else Q(pk__in=[])
    return queued.filter(told).count() + queued.filter(pk__lt=job.pk).exclude(told).count() + 1


def _unseen(since: datetime, looked_at: datetime | None, now: datetime) -> str:
    if now - since < SOON:
        return _("It came into the queue just now. When it starts is told here in a few seconds.")
    if looked_at is None or _is_stale(looked_at, now):
        return _(
            "The scheduler has not looked at it yet: it seems to be away. Nothing is lost; tell a steward."
        )
    return _("It stands far back in the queue: when it is nearer, it is told here when it will start.")


def _is_stale(made_at: datetime, now: datetime) -> bool:
    return now - made_at > SOON


def _staleness(made_at: datetime, now: datetime) -> str:
    if not _is_stale(made_at, now):
        return ""
    told = _("That was %(ago)s ago. The scheduler has not looked since and seems to be away: tell a steward.")
    return " " + told % {"ago": in_words((now - made_at).total_seconds())}


def _sentence(
    seen: Outlook, allowed: Mapping[str, float], start: dict[str, Any] | None, now: datetime
) -> str:
    told = (_why(seen), _hours(seen.job, allowed, now), _when(start, now))
    return " ".join(part for part in told if part)


def _why(seen: Outlook) -> str:
    if seen.blocker == "concurrency":
        return _at_once(seen.job.owner)
    if seen.blocker == "nowhere":
        return _(
            "Nothing that is ready now can run it: it waits for a node to start or to come back. "
            "Cancel it and ask for less, or wait."
        )
    if seen.blocker == "reserved":
        return _(
            "What is free is kept for a job that has waited for longest and needs more at once, or for which others "
            "are giving way; what else this one could run on is busy."
        )
    if lack := _lack(seen):
        return f"{lack} {_before(seen.rivals)}"
    if seen.rivals == 0:
        return _("It is next: everything that it could run on is busy.")
    told = ngettext(
        "Everything that it could run on is busy, and %(n)d job that waits for the same goes before it.",
        "Everything that it could run on is busy, and %(n)d jobs that wait for the same go before it.",
        seen.rivals,
    )
    return told % {"n": seen.rivals}


def _lack(seen: Outlook) -> str:
    """What is free, and too little for it; empty where nothing is."""
    asked = seen.job.spec.get("resources") or {}
    count, memory_mb, free_mb = asked.get("count") or 1, asked.get("memory_mb") or 0, seen.free_bytes // MIB
    if 0 < seen.free_at_once < count:
        told = _("It needs %(count)d at once on one node; the most that is free is %(free)d.")
        return told % {"count": count, "free": seen.free_at_once}
    if 0 < free_mb < memory_mb:
        told = _("It needs %(asked)s MB of memory; the most that is free on one accelerator is %(free)s MB.")
        return told % {"asked": f"{memory_mb:,}", "free": f"{free_mb:,}"}
    return ""


def _before(rivals: int) -> str:
    if rivals == 0:
        return _("It is next.")
    told = ngettext(
        "%(n)d job that waits for the same goes before it.",
        "%(n)d jobs that wait for the same go before it.",
        rivals,
    )
    return told % {"n": rivals}


def _at_once(owner: Member) -> str:
    figures = {"running": ledger.jobs_running(owner), "allowed": ledger.quota_of(owner).concurrent_jobs}
    if figures["allowed"] == 0:
        return _("Your quota allows no jobs at once. It starts when a steward raises the quota.")
    return (
        _(
            "Your quota for jobs at once is %(allowed)d, and your jobs that run now are %(running)d. It starts when "
            "one of them ends, or when a steward raises the quota."
        )
        % figures
    )


def _allowed(job: Job) -> dict[str, float]:
    """The hours a month that its member has of each class that it could run on here."""
    allowed = ledger.allowed_hours(ledger.quota_of(job.owner))
    there = set(Accelerator.objects.filter(enabled=True).values_list("kind", flat=True))
    able = {kind_of(place) for place in usable(job.kind, job.accelerator)} & (
        there | {kind_of(job.accelerator)}
    )
    return {kind: allowed.get(kind, 0.0) for kind in able}


def _closed(allowed: Mapping[str, float]) -> str:
    """That no class that it could run on is open to its member; empty where one is."""
    if not allowed or any(hours > 0 for hours in allowed.values()):
        return ""
    kinds = ", ".join(sorted(map(str.upper, allowed)))
    return _(
        "Your quota has no %(kinds)s hours, so this job can't start. Ask a steward for some, or cancel it."
    ) % {"kinds": kinds}


def _hours(job: Job, allowed: Mapping[str, float], now: datetime) -> str:
    """That the month's hours are used up, of every class that it could run on; empty while some are left."""
    open_ = sorted(kind for kind, hours in allowed.items() if hours > 0)
    used = ledger.hours_used(job.owner, since=ledger.month_start(now), now=now)
    if not open_ or any(used[kind] < allowed[kind] for kind in open_):
        return ""
    figures = ", ".join(
        _("%(used).1f of %(allowed)g %(kind)s hours")
        % {"used": used[kind], "allowed": allowed[kind], "kind": kind.upper()}
        for kind in open_
    )
    return _(
        "Your quota for this month is used up (%(figures)s): it takes only what would be idle, until the month "
        "ends or a steward gives you more hours."
    ) % {"figures": figures}


def _when(start: dict[str, Any] | None, now: datetime) -> str:
    span = _span(start, now)
    return _("It will probably start %(when)s.") % {"when": span} if span else ""


def _span(start: dict[str, Any] | None, now: datetime) -> str:
    """Within which time it starts, as a part of a sentence."""
    if start is None:
        return ""
    soonest, latest = (max(0.0, (start[name] - now).total_seconds()) for name in ("earliest", "latest"))
    if latest < MINUTE_S:
        return _("within a minute")
    told = {"from": in_words(soonest), "to": in_words(latest)}
    if soonest < MINUTE_S:
        return _("within %(to)s") % told
    return _("in %(from)s to %(to)s") % told


def in_words(seconds: float) -> str:
    """A span of time, in the largest unit of which it has two; at least a minute."""
    if seconds >= 2 * DAY_S:
        days = round(seconds / DAY_S)
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    if seconds >= 2 * HOUR_S:
        hours = round(seconds / HOUR_S)
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    minutes = max(1, round(seconds / MINUTE_S))
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}


def _factors(seen: Outlook) -> list[str]:
    """What brings it forward or holds it back, in words; what hardly matters is left out."""
    told = (
        (
            seen.share,
            _("its owner has used less of the machine lately than their share, or none"),
            _("its owner has used more of the machine than their share, or has other jobs before it"),
        ),
        (
            seen.length,
            _("it should end soon, as far as anybody can tell"),
            _("it has run for long already, or has long to go"),
        ),
        (seen.waiting, _("it has waited for long"), ""),
    )
    return [
        f"{word} (× {factor:.2f})"
        for factor, better, worse in told
        for word in [better if factor > MATTERS else worse if factor < 1 / MATTERS else ""]
        if word
    ]
