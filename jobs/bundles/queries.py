"""Reads: which models and bundles a member may see. Their owner does, and stewards see all."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Prefetch, Q, QuerySet, Sum

from hardware.targets.profiles import Kind
from jobs.bundles.models import IMPORT, Bundle, BundleState, TrainedModel
from jobs.queue.models import Job
from jobs.queue.yields import Yield
from portal.core.models import Blob
from portal.members.models import Member

ONNX = "onnx"
TOOLS_LOG, MISMATCH = "tools.log", "mismatch.npz"
EVIDENCE = frozenset({TOOLS_LOG, MISMATCH})
"""What a build for an FPGA board leaves with its job: what the tools said, and a vector on which two stages differ."""


def visible_models(member: Member) -> QuerySet[TrainedModel]:
    """Models that `member` may see, newest first, with what a row shows."""
    rows = TrainedModel.objects.select_related("owner", "job", "dataset", "version", "keras").order_by("-id")
    return rows if member.is_staff else rows.filter(owner=member)


def visible_bundles(member: Member) -> QuerySet[Bundle]:
    """Bundles that `member` may see, newest first, with what a row shows."""
    rows = (
        Bundle.objects.select_related("model", "zip").defer("model__report", "model__labels").order_by("-id")
    )
    return rows if member.is_staff else rows.filter(model__owner=member)


def to_evaluate(member: Member) -> QuerySet[Bundle]:
    """The same bundles with all that a job on them is made of."""
    known = ("zip", "model__owner", "model__job", "model__dataset", "model__version")
    rows = Bundle.objects.select_related(*known)
    return rows if member.is_staff else rows.filter(model__owner=member)


def storage_used(member: Member) -> int:
    """Bytes that the models which the member brought take: each stored content once."""
    brought = TrainedModel.objects.filter(owner=member, job__kind=IMPORT)
    blobs = Blob.objects.filter(Q(pk__in=brought.values("upload")) | Q(pk__in=brought.values("keras")))
    return int(blobs.aggregate(total=Sum("bytes"))["total"] or 0)


def with_bundles(models: QuerySet[TrainedModel]) -> QuerySet[TrainedModel]:
    """The same models with their bundles loaded in one more query."""
    return models.prefetch_related(Prefetch("bundles", Bundle.objects.select_related("zip")))


def to_try(model: TrainedModel) -> Bundle | None:
    """The bundle that the model is tried out with: one for browsers, which explains, else one for Linux, whose own
    file answers, else any that also holds the model as a LiteRT file; of several the newest.
    """
    rows = model.bundles.filter(state=BundleState.READY).select_related("zip").order_by("-id")
    litert = [row for row in rows if row.target != ONNX]
    first = (Kind.BROWSER, Kind.LINUX)
    return min(
        litert, key=lambda row: first.index(row.kind) if row.kind in first else len(first), default=None
    )


def yields_of(job_ids: Sequence[str]) -> dict[str, Yield]:
    """What jobs led to: a training its model and the bundles of it, a build its bundle. Two queries."""
    models = dict(TrainedModel.objects.filter(job__in=job_ids).values_list("pk", "job_id"))
    wanted = Q(model__in=models) | Q(job__in=job_ids)
    bundles: dict[str, list[str]] = defaultdict(list)
    rows = Bundle.objects.filter(wanted).order_by("id").values_list("pk", "model_id", "job_id")
    for pk, model, build in rows:
        for job in {models.get(model), build}:
            if job is not None:
                bundles[job].append(pk)
    of_job = {job: model for model, job in models.items()}
    return {
        job: Yield(of_job.get(job), tuple(bundles[job])) for job in job_ids if job in of_job or job in bundles
    }


def panel_of(job: Job) -> dict[str, Any]:
    """What a job's page shows of this room: the model with its bundles, or the bundle that a build makes."""
    model = with_bundles(TrainedModel.objects.select_related("job")).filter(job=job).first()
    if model is None:
        rows = list(Bundle.objects.select_related("model", "zip").filter(job=job))
        return {"bundles": rows, "building": _any_building(rows), "evidence": _evidence(job)}
    rows = model.bundle_rows
    return {
        "model": model,
        "bundles": rows,
        "buildable": model.buildable,
        "building": _any_building(rows),
        "evidence": _evidence(job),
    }


def _evidence(job: Job) -> list[str]:
    return list(job.artefacts.filter(name__in=EVIDENCE).order_by("name").values_list("name", flat=True))


def _any_building(rows: Iterable[Bundle]) -> bool:
    return any(row.state == BundleState.BUILDING for row in rows)
