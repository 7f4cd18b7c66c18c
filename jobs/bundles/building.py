"""The `build` kind: a model, its report and its data in; a signed bundle out."""

import json
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from hardware.nodes.models import AcceleratorKind
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from jobs.bundles import keys, receipts, reports, sealing
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.bundles.queries import EVIDENCE
from jobs.bundles.services import BUILD, KERAS_FILE, REPORT_FILE
from jobs.datasets.models import Version
from jobs.queue import nodefiles
from jobs.queue.kinds import Assignment, JobKind, Result
from jobs.queue.models import Artefact, Job
from jobs.queue.reasons import EndReason
from jobs.queue.train import data_inputs
from portal.core import storage
from portal.core.models import Blob
from portal.kit import sources
from portal.kit.errors import UserError

BUNDLE_FILE = "bundle.zip"
MAX_METRICS_BYTES = 64 * 1024
APART = {"name", "created_at"}  # of the provenance: they stand in the manifest itself
ENGINE = Path(settings.BASE_DIR) / "jobs" / "engine"


def assign(job: Job) -> Assignment:
    """The engine's task of a build. UserError when the model or its data was deleted meanwhile."""
    model = (
        TrainedModel.objects.select_related("keras", "report_file", "version__upload", "job")
        .filter(pk=job.spec["model"])
        .first()
    )
    has_data = model is not None and (model.version is not None or model.is_dataless)
    if model is None or not has_data or model.keras is None or model.report_file is None:
        raise UserError(
            "bad_data", _("The model or the data it is measured on was deleted before the build began.")
        )
    inputs = {KERAS_FILE: model.keras, REPORT_FILE: model.report_file}
    task = task_of(model, model.version, job.spec["target"], job.spec.get("options") or {})
    if model.version is None:
        return Assignment(task=task, inputs=inputs)
    return Assignment(
        task=task,
        inputs={**inputs, **data_inputs(model.version)},
        cache_key=model.version.pk,
        shelf=shelf_for(job.spec["target"]),
    )


def task_of(
    model: TrainedModel, version: Version | None, target: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The engine's task of a bundle for `target`."""
    return {
        "kind": BUILD,
        "target": TARGETS[target].as_json(),
        "model": f"/job/in/{KERAS_FILE}",
        "report": f"/job/in/{REPORT_FILE}",
        "data": "/job/in/data" if version else None,
        "data_key": version.upload.sha256 if version else "",
        "cache": "/cache",
        "out": "/job/out",
        "provenance": provenance(model, version),
        "receipt": model.receipt or receipts.of(model),
        "signed_by": keys.signed_by(),
        "options": dict(options),
        "prepared": prepared_for(target),
    }


def shelf_for(target: str) -> str:
    """The folder of the node that builds for a target take prepared parts from; "" for none."""
    return nodefiles.BITSTREAMS if TARGETS[target].kind is Kind.FPGA else ""


def prepared_for(target: str) -> str | None:
    """Where a build finds that folder."""
    shelf = shelf_for(target)
    return f"/job/in/{shelf}" if shelf else None


def provenance(model: TrainedModel, version: Version | None) -> dict[str, Any]:
    """Where a bundle's model comes from, as its manifest says it."""
    return {
        "job": model.job_id,
        "model": model.pk,
        "name": model.name,
        "dataset": version.dataset_id if version else "",
        "version": version.number if version else "",
        "dataset_sha256": version.upload.sha256 if version else "",
        "origin": "brought" if model.is_brought else "trained",
        "code_version": code_version(),
        "created_at": model.created_at.isoformat(),
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """The engine's source files, by their fingerprint: what makes the bundle."""
    return sources.fingerprint(ENGINE)


def collect(job: Job, result: Result) -> Mapping[str, Blob]:
    """Check what the build left, sign it and store the zip. UserError `bad_bundle` when it is not what it
    says.
    """
    bundle = Bundle.objects.select_related(
        "model__job", "model__keras", "model__version__upload", "model__dataset"
    ).get(job=job)
    kept = {name: storage.copy_in(result.artefacts[name]) for name in EVIDENCE & set(result.artefacts)}
    return {BUNDLE_FILE: sealed(bundle, result.out), **kept}


def sealed(bundle: Bundle, out: Path) -> Blob:
    """The signed zip of what a build left in `out`, for a bundle that need not be stored yet. UserError
    `bad_bundle`.
    """
    with tempfile.TemporaryDirectory(dir=storage.incoming()) as scratch:
        archive = Path(scratch) / BUNDLE_FILE
        key = keys.signing_key()
        sealing.seal(out / "bundle", key, archive, bundle.folder, told=_told(bundle.model))
        return storage.adopt(archive)


def _told(model: TrainedModel) -> dict[str, Any]:
    """What the manifest may say of these in no other words: the portal knows it, a build only repeats it."""
    known: dict[str, Any] = {"created_at": model.created_at.isoformat(), "signed_by": keys.signed_by()}
    if model.receipt:
        known["receipt"] = model.receipt
    if model.keras and (model.version or model.is_dataless):  # else its data was deleted while it was built
        where = {name: value for name, value in provenance(model, model.version).items() if name not in APART}
        known["provenance"] = {**where, "model_sha256": model.keras.sha256}
    return known


def finish(job: Job, artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
    """The bundle of a build that succeeded is ready. Runs in the transaction of the job's success."""
    Bundle.objects.filter(job=job).update(**ready(artefacts[BUNDLE_FILE], summary))
    keep_evidence(job, artefacts)


def ready(blob: Blob, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a bundle whose zip is there; `summary` is the engine's of the build."""
    with storage.local(blob) as archive:
        signature = sealing.signature_in(archive)
    return {
        "state": BundleState.READY,
        "reason": "",
        "zip": blob,
        "signature": signature,
        "metrics": measured(summary),
    }


def keep_evidence(job: Job, artefacts: Mapping[str, Blob]) -> None:
    """What the tools said, where there were some, stays with the job."""
    for name in EVIDENCE & set(artefacts):
        Artefact.objects.update_or_create(job=job, name=name, defaults={"blob": artefacts[name]})


def measured(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's summary as it may be stored: nothing when it is too large or no JSON."""
    try:
        text = json.dumps(dict(summary))
    except (TypeError, ValueError):
        return {}
    if len(text) > MAX_METRICS_BYTES:
        return {}
    return dict(reports.plain_json(text.encode()))


def ended(job: Job) -> None:
    """The bundle of a build that failed or was cancelled: refused if its target can't run it, else failed."""
    refused = job.end_reason == EndReason.REFUSED
    Bundle.objects.filter(job=job, state=BundleState.BUILDING).update(
        state=BundleState.REFUSED if refused else BundleState.FAILED,
        reason=job.message or EndReason(job.end_reason).label,
    )


KIND = JobKind(
    name=BUILD,
    assign=assign,
    collect=collect,
    finish=finish,
    ended=ended,
    preemptible=False,
    on_request=frozenset({AcceleratorKind.FPGA}),
    evidence=EVIDENCE,
)
