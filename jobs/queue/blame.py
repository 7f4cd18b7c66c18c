"""Whether a job is to blame for the nodes that were lost under it: a dead node is to cost nobody their job, and a job
that takes its nodes down must not go on for ever.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from math import comb

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import POLICY, EndReason

MOST_LOSSES = 24  # however innocent each looks
MOST_WHILE_RUNNING = 8  # before it is asked whether that may be chance
CHANCE = 1e-4  # so unlikely may an innocent job's losses be
APART = timedelta(seconds=10)  # between two deaths of one node, each of which is noticed within seconds
TOGETHER = timedelta(seconds=30)  # the most between two attempts' being missed that one death ended: a lease
_LOST = Attempt.objects.filter(end_reason=EndReason.NODE_LOST, claimed_at__isnull=False, cut_off=False)


def may_be_lost_again(job: Job) -> bool:
    """Whether a job that was just lost with its node is tried again.

    A loss tells of the job when it ran (a node may die while an engine is still loading) and ran alone: of several
    that a node takes with it one at most did it, and nobody knows which. What was lost because the database was out of
    reach says nothing. Who was there at very many is suspect all the same, unless nodes die without it too.
    """
    lost = _LOST.filter(job=job)
    ran = lost.filter(started_at__isnull=False)
    if lost.count() > MOST_LOSSES or (
        ran.count() > MOST_WHILE_RUNNING and _chance_of_its_losses(job) < CHANCE
    ):
        return False
    return ran.exclude(Exists(_beside())).count() <= (POLICY[EndReason.NODE_LOST].retries or 0)


def _chance_of_its_losses(job: Job) -> float:
    """How likely as many of the deaths since it was first lost would have met it if it had nothing to do with them: the
    upper tail of a binomial distribution, in which each death meets it with the chance that one node of all has.
    """
    mine = list(_LOST.filter(job=job).order_by("ended_at").values_list("node", "ended_at"))
    since = mine[0][1]
    assert since is not None  # noqa: S101 - for mypy: what is lost has ended
    times: dict[str | None, list[datetime]] = defaultdict(list)
    others = _LOST.exclude(job=job).filter(ended_at__gte=since - TOGETHER).order_by("ended_at")
    for node, at in others.values_list("node", "ended_at"):
        assert at is not None  # noqa: S101 - for mypy
        near = any(node == place and when and abs(at - when) <= TOGETHER for place, when in mine)
        if not near and not (times[node] and at - times[node][-1] <= APART):
            times[node].append(at)
    tried = Attempt.objects.filter(claimed_at__gte=since - TOGETHER)
    on_one = 1.0 / max(tried.values("node").distinct().order_by().count(), 1)
    deaths = len(mine) + sum(map(len, times.values()))
    return sum(
        comb(deaths, met) * on_one**met * (1.0 - on_one) ** (deaths - met)
        for met in range(len(mine), deaths + 1)
    )


def _beside() -> QuerySet[Attempt]:
    """The attempts at other jobs that an attempt's node took with it (the outer query's): they ran beside it, and ended
    about then for the same reason, or nobody has missed them yet.
    """
    after = ExpressionWrapper(F("ended_at") - OuterRef("ended_at"), output_field=DurationField())
    together = Q(end_reason=EndReason.NODE_LOST, ended_at__gte=OuterRef("started_at"))
    together &= Q(after__gte=-TOGETHER, after__lte=TOGETHER)
    others = Attempt.objects.filter(node=OuterRef("node"), started_at__lt=OuterRef("ended_at"))
    return others.exclude(job=OuterRef("job")).annotate(after=after).filter(together | Q(ended_at=None))
