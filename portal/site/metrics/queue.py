"""The queue in figures: who waits and how long, what runs, how attempts ended, who holds leases."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric

from jobs.queue.dispatch import LEADER
from jobs.queue.models import Attempt, Job, JobEvent
from jobs.queue.reasons import OPEN, EndReason, Status
from portal.core.models import Lease
from portal.site.metrics.families import counters, each, every, gauge, gauges

WAITS = CollectorRegistry()
WAIT_S = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
BEGIN_WITH = 10_000  # events: what a web process that just started takes for recent
FIRST = timedelta(seconds=10)  # within which of a job's first start its event was written

waits = Histogram(
    "gristmill_job_wait_seconds",
    "From submission to running, of the jobs that have started since shortly before this process.",
    ["kind"],
    buckets=WAIT_S,
    registry=WAITS,
)


def collect(now: datetime) -> Iterator[Metric]:
    """Everything; `now` is the database's."""
    yield from _jobs(now)
    yield _attempts()
    yield from _leases(now)
    recent.take_in()


def _jobs(now: datetime) -> Iterator[Metric]:
    jobs = Job.objects.order_by()
    by_status = dict(jobs.values_list("status").annotate(n=Count("pk")))
    yield gauges("jobs", "Jobs by status.", ["status"], every(Status.values, by_status))
    queued: dict[tuple[str, ...], float] = {}
    oldest: dict[tuple[str, ...], float] = {}
    waiting = jobs.filter(status=Status.QUEUED).values_list("kind", "accelerator")
    for kind, accelerator, count, since in waiting.annotate(n=Count("pk"), since=Min("created_at")):
        queued[kind, accelerator] = count
        oldest[kind, accelerator] = max(0.0, (now - since).total_seconds())
    labels = ["kind", "accelerator"]
    yield gauges("queue_jobs", "Jobs that wait, by kind and the accelerator asked for.", labels, queued)
    yield gauges("queue_oldest_seconds", "Age of the oldest job that waits.", labels, oldest)
    running = jobs.filter(status__in=OPEN - {Status.QUEUED}).values_list("kind").annotate(n=Count("pk"))
    yield gauges("running_jobs", "Jobs starting or running, by kind.", ["kind"], each(running))


def _attempts() -> Metric:
    ended = Attempt.objects.order_by().exclude(end_reason="").values_list("end_reason")
    found = dict(ended.annotate(n=Count("pk")))
    return counters("attempts", "Attempts that ended, by reason.", ["reason"], every(EndReason.values, found))


def _leases(now: datetime) -> Iterator[Metric]:
    found = Attempt.objects.filter(ended_at=None).aggregate(
        held=Count("pk", filter=Q(lease_expires_at__gte=now)),
        expired=Count("pk", filter=Q(lease_expires_at__lt=now) | Q(lease_expires_at=None)),
    )
    about = "Leases of open attempts, by whether they are in force."
    yield gauges("attempt_leases", about, ["state"], every(["held", "expired"], found))
    leader = Lease.objects.filter(name=LEADER).first()
    leads = leader is not None and leader.lease_expires_at is not None and leader.lease_expires_at > now
    yield gauge("scheduler_leads", "Whether a scheduler leads.", float(leads))
    yield gauge("scheduler_epoch", "How often the lead was taken.", float(leader.epoch if leader else 0))


class Recent:
    """Reads each start of a job once, by the events' numbers, into the histogram of waits."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def take_in(self) -> None:
        newest = JobEvent.objects.aggregate(id=Max("pk"))["id"] or 0
        since = max(0, newest - BEGIN_WITH) if self._seen is None else self._seen
        starts = JobEvent.objects.filter(
            pk__gt=since, pk__lte=newest, old=Status.STARTING, new=Status.RUNNING
        ).order_by()
        for kind, created, first, at in starts.values_list(
            "job__kind", "job__created_at", "job__started_at", "at"
        ):
            if first is not None and at - first < FIRST:
                waits.labels(kind).observe(max(0.0, (first - created).total_seconds()))
        self._seen = newest


recent = Recent()
