"""Training and the bundle for an FPGA board as one job: of a train job that asks for the tools' place.

It is a train job in every way, and what it leaves besides is the bundle for the one board that it names. The model has
the job's own id: the bundle, which names its model, is made before there is a row of it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from hardware.nodes.models import AcceleratorKind
from jobs.bundles import building, receipts
from jobs.bundles.models import Bundle, BundleState, ModelState, TrainedModel
from jobs.bundles.queries import EVIDENCE
from jobs.bundles.services import KERAS_FILE, REPORT_FILE, built_within, fingerprint_of
from jobs.engine.spec import JobKind as Kinds
from jobs.queue import train
from jobs.queue.kinds import KINDS, Assignment, Result, record_trained, register
from jobs.queue.models import Job
from portal.core.models import Blob
from portal.kit.errors import UserError

log = logging.getLogger(__name__)


def install() -> None:
    """Have train jobs run there too, where they ask for it."""
    register(
        replace(
            KINDS[Kinds.TRAIN],
            assign=assign,
            collect=collect,
            finish=finish,
            on_request=frozenset({AcceleratorKind.FPGA}),
            evidence=EVIDENCE,
        )
    )


def assign(job: Job) -> Assignment:
    """The training's assignment; with the build of what it leaves, where that is to be made too."""
    given, target = train.assign(job), built_within(job)
    if not target:
        return given
    build = building.task_of(_model(job), job.version, target, {})
    left = {"model": f"/job/out/{KERAS_FILE}", "report": f"/job/out/{REPORT_FILE}"}
    task = {"kind": "train-and-build", "train": given.task, "build": {**build, **left}}
    return replace(given, task=task, shelf=building.shelf_for(target))


def _model(job: Job) -> TrainedModel:
    """The model that the job is to yield, as far as it is known before it is there."""
    model = TrainedModel(
        id=job.pk,
        owner=job.owner,
        job=job,
        dataset=job.dataset,
        version=job.version,
        name=job.name,
        created_at=job.created_at,
    )
    model.receipt = receipts.begun(model, building.code_version())
    return model


def collect(job: Job, result: Result) -> Mapping[str, Blob]:
    """What the training left; and the bundle, signed, where there is one."""
    blobs, target = dict(train.collect(job, result)), built_within(job)
    if target and "metrics" in _said(result.summary):
        model = _model(job)
        model.keras = blobs.get(KERAS_FILE)
        try:
            blobs[building.BUNDLE_FILE] = building.sealed(Bundle(model=model, target=target), result.out)
        except UserError as error:  # the model is not to be lost with it
            log.warning("job %s: %s", job.pk, error.detail)
    return blobs


def finish(job: Job, artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
    """Record the model, and the bundle or why there is none, in the transaction of the job's success."""
    record_trained(job, artefacts, summary)
    target = built_within(job)
    model = TrainedModel.objects.filter(job=job, state=ModelState.READY).first()
    if not target or model is None:
        return
    building.keep_evidence(job, artefacts)
    Bundle.objects.create(
        model=model,
        target=target,
        options_sha256=fingerprint_of({}),
        job=job,
        **_outcome(artefacts.get(building.BUNDLE_FILE), _said(summary)),
    )


def _outcome(blob: Blob | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the bundle's row."""
    if blob is not None:
        return building.ready(blob, said["metrics"])
    reason = said.get("refused")
    told = reason if isinstance(reason, str) else _("The bundle is not what it says. Ask for it anew.")
    return {"state": BundleState.REFUSED, "reason": told[:2000]}


def _said(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the engine tells of the build: `metrics`, or `refused`."""
    said = summary.get("build")
    return said if isinstance(said, dict) else {}
