"""Reading jobs: who may see which, and their metrics, logs and events."""

from collections.abc import Collection, Iterable

from django.db.models import Count, Prefetch, QuerySet

from jobs.datasets.models import Dataset
from jobs.queue.models import Attempt, Job, JobEvent, LogChunk, Metric
from jobs.queue.reasons import OPEN, Status
from portal.ledger.queries import MANY
from portal.ledger.registry import Held
from portal.members.models import Member

METRICS_PAGE = 10_000
LOG_PAGE_BYTES = 1024**2
LOG_TAIL_BYTES = 64 * 1024
LOG_CHUNK_BYTES = 1024**2  # more than one chunk ever holds


def visible_to(member: Member) -> QuerySet[Job]:
    """The jobs that `member` may see: their own; all of them for a steward."""
    return Job.objects.all() if member.is_staff else Job.objects.filter(owner=member)


def with_details(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """`jobs` with what their description needs, in a fixed number of queries."""
    attempts = Attempt.objects.prefetch_related("accelerators").order_by("number")
    return jobs.select_related("owner", "version", "dataset").prefetch_related(
        Prefetch("attempts", queryset=attempts)
    )


def metrics_after(job: Job, *, step: int | None, limit: int) -> list[Metric]:
    """Metric rows of steps greater than `step` (None: from the first), oldest first."""
    rows = job.metric_rows.order_by("step")
    if step is not None:
        rows = rows.filter(step__gt=step)
    return list(rows[: min(limit, METRICS_PAGE)])


def log_from(job: Job, *, offset: int) -> tuple[str, int]:
    """The log from byte `offset` (of its UTF-8 text), at most about 1 MB, and the offset to go on from."""
    chunks = LogChunk.objects.filter(job=job, offset__gt=offset - LOG_CHUNK_BYTES).order_by("offset")
    pieces: list[bytes] = []
    end, size = offset, 0
    for chunk in chunks.iterator():
        if chunk.offset + chunk.size <= offset:
            continue
        data = chunk.text.encode()[max(0, offset - chunk.offset) :]
        pieces.append(data)
        size += len(data)
        end = chunk.offset + chunk.size
        if size >= LOG_PAGE_BYTES:
            break
    return b"".join(pieces).decode(errors="replace"), end


def events_of(job: Job) -> QuerySet[JobEvent]:
    return job.events.order_by("id")


def running_jobs(member: Member) -> int:
    """How many of a member's jobs are on the machine now."""
    return Job.objects.filter(owner=member, status__in=[Status.STARTING, Status.RUNNING]).count()


def held(members: Collection[str] | None) -> list[Held]:
    """A row for each accelerator that an attempt of these members (by id; None: all) has: many are not named."""
    open_ = Attempt.objects.filter(ended_at=None, started_at__isnull=False).order_by()
    if members is not None and len(members) <= MANY:
        open_ = open_.filter(job__owner__in=members)
    rows = open_.values_list("job__owner", "accelerator_kind", "started_at", "accelerators__price")
    return [
        Held(owner, kind, since, 1.0 if price is None else price)
        for owner, kind, since, price in rows
        if since is not None
    ]


def rivals() -> set[str]:
    """The members, by id, who have jobs that have not ended."""
    return set(Job.objects.filter(status__in=OPEN).order_by().values_list("owner", flat=True).distinct())


def uses_dataset(dataset: Dataset) -> bool:
    """Whether a job that has not ended needs this dataset."""
    return Job.objects.filter(dataset=dataset, status__in=OPEN).exists()


def ids_of(jobs: Iterable[Job]) -> list[str]:
    return [job.pk for job in jobs]


def count_by_status(member: Member) -> dict[str, int]:
    """How many of a member's own jobs are in each status (statuses without one are left out)."""
    return dict(Job.objects.filter(owner=member).order_by().values_list("status").annotate(count=Count("pk")))


def log_tail(job: Job) -> tuple[str, int]:
    """The end of the log, about 64 kB, and the byte offset at which more would follow."""
    last = job.log_chunks.order_by("-offset").first()
    end = last.offset + last.size if last else 0
    return log_from(job, offset=max(0, end - LOG_TAIL_BYTES))
