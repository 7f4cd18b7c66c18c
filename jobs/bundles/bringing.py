"""Models that members bring: taken in, checked in the sandbox by a job of kind `import`, and from then on like those
that were trained here.

Nothing of the file is opened outside of the sandbox, and it is thrown away once it is checked: what is kept is the
Keras file that the engine wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.bundles import receipts, reports
from jobs.bundles.labels import checked_labels, refuse_other_classes
from jobs.bundles.models import IMPORT, BundleState, ModelState, TrainedModel
from jobs.bundles.services import KERAS_FILE, REPORT_FILE, read_report
from jobs.datasets.formats.names import clean
from jobs.datasets.models import Version
from jobs.datasets.versions import display_name
from jobs.engine.spec import PixelRange
from jobs.queue.admission import ready_version, usable_dataset
from jobs.queue.kinds import Assignment, JobKind, Result
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason
from jobs.queue.services import once, submit_internal
from jobs.queue.train import data_inputs
from portal.core import storage
from portal.core.models import Blob
from portal.core.stores.trouble import StoreAwayError
from portal.kit.errors import FieldError, UserError
from portal.ledger.services import check_may_use, check_storage
from portal.members.models import Member
from portal.members.services import audit_of_another

MAX_BYTES = 1024**3
MAX_MINUTES = 20
NAME_CHARACTERS = 120
SAMPLE_RATES = (1_000, 192_000)  # Hz, of models of sounds
TOO_LARGE, UNAVAILABLE, CONFLICT = 413, 503, 409

SENTENCES = {
    EndReason.CANCELLED: gettext_lazy("Its check was cancelled."),
    EndReason.OUT_OF_MEMORY: gettext_lazy(
        "Opening it took more memory than a job may have here, so no board could run it. Bring a smaller model."
    ),
    EndReason.OVER_TIME_LIMIT: gettext_lazy(
        "Checking it took longer than %(minutes)d minutes. Bring a smaller model, or choose a smaller dataset."
    ),
    EndReason.CRASHED: gettext_lazy(
        "The file broke the program that opens it, each time. Save the model anew with Keras 3 "
        "(model.save('model.keras')) and bring that file."
    ),
}
"""What a member reads about their model when the check itself came to no answer."""
SENTENCES[EndReason.OVER_MEMORY_LIMIT] = SENTENCES[EndReason.OUT_OF_MEMORY]
SENTENCES[EndReason.HUNG] = SENTENCES[EndReason.OVER_TIME_LIMIT]


@dataclass(frozen=True)
class Offer:
    """What comes with the file, as it was sent: `labels` None for those of the dataset, empty for a number. A
    `sample_rate`, in Hz, makes it a model of sounds.
    """

    labels: Any = None
    dataset: str = ""
    version: int | None = None
    pixels: str = ""
    sample_rate: int | None = None
    name: str = ""


def bring_model(
    *, owner: Member, file: Path, size: int, filename: str, offer: Offer, idempotency_key: str = ""
) -> TrainedModel:
    """A model in state `checking`, from a file on the home's disk, which is taken away from there.

    The same key again within 24 hours, with the same file and all, yields the same model. UserError for what can be
    refused at once: too large, no room in the quota, labels that are none or not the dataset's classes.
    """
    _check_size(size)
    version = _version(owner, offer)
    spec = _spec(filename, offer, version)
    check_may_use(owner, "cpu")
    try:
        blob = storage.adopt(file)
    except StoreAwayError as error:
        raise UserError("no_file_store", str(error), status=UNAVAILABLE) from error
    name = _name(offer, spec["filename"])
    job = once(
        owner=owner,
        key=idempotency_key,
        body={**spec, "sha256": blob.sha256, "name": name},
        create=lambda: _create(owner, blob, name, spec, version),
    )
    return TrainedModel.objects.select_related("owner", "job", "dataset", "version", "keras").get(job=job)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        detail = _(
            "The file has %(size)d bytes; models of at most %(most)d are taken. No board runs a larger one."
        )
        raise UserError("too_large", detail % {"size": size, "most": MAX_BYTES}, status=TOO_LARGE)
    if size == 0:
        raise _invalid("file", _("The file is empty. Send it again."))


def _version(owner: Member, offer: Offer) -> Version | None:
    if offer.dataset:
        return ready_version(usable_dataset(owner, offer.dataset.replace("\0", "")), offer.version)
    if offer.version is not None:
        raise _invalid("dataset", _("A version is one of a dataset: say which."))
    if offer.labels is None:
        detail = _(
            "Name the model's labels, in the order of its outputs: a JSON list of texts; [] for a number."
        )
        raise _invalid("labels", detail)
    return None


def _spec(filename: str, offer: Offer, version: Version | None) -> dict[str, Any]:
    """The job's spec. UserError names the field that is wrong."""
    labels = None if offer.labels is None else checked_labels(offer.labels)
    if version is not None and labels is not None:
        refuse_other_classes(version, labels)
    if offer.pixels and offer.pixels not in list(PixelRange):
        raise _invalid("pixels", _("Choose one of: %(known)s.") % {"known": ", ".join(PixelRange)})
    _check_sample_rate(offer)
    if len(offer.name) > NAME_CHARACTERS:
        raise _invalid("name", _("At most %(most)d characters.") % {"most": NAME_CHARACTERS})
    return {
        "filename": display_name(filename),
        "labels": labels,
        "dataset": version.dataset_id if version else None,
        "version": version.number if version else None,
        "pixels": offer.pixels or str(PixelRange.BYTES),
        "sample_rate": offer.sample_rate,
        "resources": {"max_minutes": MAX_MINUTES},
    }


def _check_sample_rate(offer: Offer) -> None:
    if offer.sample_rate is None:
        return
    least, most = SAMPLE_RATES
    if not least <= offer.sample_rate <= most:
        detail = _("A sample rate is between %(least)d and %(most)d Hz.")
        raise _invalid("sample_rate", detail % {"least": least, "most": most})
    if offer.dataset:
        detail = _(
            "There are no datasets of sounds yet. A model of sounds comes without one: leave the dataset away, or the "
            "sample rate if it is no model of sounds."
        )
        raise _invalid("sample_rate", detail)


def _name(offer: Offer, filename: str) -> str:
    return (
        clean(offer.name)
        or clean(filename.rpartition(".")[0], NAME_CHARACTERS)
        or clean(filename, NAME_CHARACTERS)
    )


def _invalid(field: str, detail: str) -> UserError:
    return UserError("invalid", detail, errors=[FieldError(field, detail)])


@transaction.atomic
def _create(owner: Member, blob: Blob, name: str, spec: dict[str, Any], version: Version | None) -> Job:
    Member.objects.select_for_update().get(pk=owner.pk)  # two at once can't both take the last room
    check_storage(owner, blob.bytes)
    job = submit_internal(
        owner=owner,
        kind=IMPORT,
        name=name,
        spec=spec,
        dataset=version.dataset if version else None,
        version=version,
        accelerator="cpu",
    )
    TrainedModel.objects.create(
        owner=owner,
        job=job,
        dataset=version.dataset if version else None,
        version=version,
        name=name[:NAME_CHARACTERS],
        labels=spec["labels"] or [],
        state=ModelState.CHECKING,
        upload=blob,
    )
    return job


def assign(job: Job) -> Assignment:
    """The engine's task of an import. UserError when the model or its data was deleted meanwhile."""
    model = TrainedModel.objects.select_related("upload").filter(job=job).first()
    if model is None or model.upload is None:
        raise UserError("bad_data", _("The model was deleted before it could be checked."))
    if job.spec.get("dataset") and job.version is None:
        raise UserError("bad_data", _("The dataset was deleted before the model could be checked."))
    version = job.version
    task = {
        "kind": IMPORT,
        "file": "/job/in/model",
        "filename": job.spec["filename"],
        "labels": job.spec["labels"],
        "pixels": job.spec["pixels"],
        "sample_rate": job.spec.get("sample_rate"),
        "data": "/job/in/data" if version else None,
        "data_key": version.upload.sha256 if version else "",
        "cache": "/cache",
        "out": "/job/out",
    }
    inputs = {"model": model.upload, **(data_inputs(version) if version else {})}
    return Assignment(task=task, inputs=inputs, cache_key=version.pk if version else "")


def collect(job: Job, result: Result) -> Mapping[str, Blob]:
    """Store the model and its report. UserError when they are not there, or the model has no room."""
    found = {name: result.artefacts[name] for name in (KERAS_FILE, REPORT_FILE) if name in result.artefacts}
    if len(found) < 2:  # noqa: PLR2004 - both
        raise UserError("no_model", _("The check ended without a model. Bring it again."))
    size = found[KERAS_FILE].stat().st_size
    if size > MAX_BYTES or found[REPORT_FILE].stat().st_size > reports.MAX_BYTES:
        raise UserError(
            "too_large", _("Unpacked, the model is larger than is taken here. Bring a smaller one.")
        )
    before = TrainedModel.objects.select_related("upload").filter(job=job).first()
    check_storage(job.owner, size - (before.upload.bytes if before and before.upload else 0))
    return {name: storage.copy_in(path) for name, path in found.items()}


def finish(job: Job, artefacts: Mapping[str, Blob], _summary: Mapping[str, Any]) -> None:
    """The model is ready. Runs in the transaction of the job's success."""
    model = TrainedModel.objects.select_for_update().filter(job=job).first()
    if model is None:  # deleted meanwhile
        return
    model.keras, model.report_file, model.upload = artefacts[KERAS_FILE], artefacts[REPORT_FILE], None
    model.state = ModelState.READY
    read_report(model)
    model.receipt = receipts.of(model)
    model.save()


def ended(job: Job) -> None:
    """The model is refused: its job failed or was cancelled."""
    reason = EndReason(job.end_reason)
    sentence = SENTENCES.get(reason)
    told = str(sentence) % {"minutes": MAX_MINUTES} if sentence else job.message or str(reason.label)
    TrainedModel.objects.filter(job=job, state=ModelState.CHECKING).update(
        state=ModelState.REFUSED, reason=told, upload=None
    )


def delete_model(*, model: TrainedModel, actor: Member) -> None:
    """Delete a model that was brought, with its bundles; the sweep frees the bytes.

    PermissionDenied for others than its owner and stewards. UserError `trained_here` for the other models, `in_use`
    while it is being checked or bundles of it are built.
    """
    if not (actor.is_staff or model.owner_id == actor.pk):
        raise PermissionDenied(_("Only its owner may delete this model."))
    if not model.is_brought:
        detail = _(
            "This model was trained here and stays with its job. Models that were brought can be deleted."
        )
        raise UserError("trained_here", detail, status=CONFLICT)
    with transaction.atomic():
        locked = TrainedModel.objects.select_for_update().filter(pk=model.pk).first()
        if locked is None:
            return
        if locked.state == ModelState.CHECKING or locked.bundles.filter(state=BundleState.BUILDING).exists():
            detail = _(
                "It is being checked, or a bundle of it is being built. Cancel that job or wait, then delete it."
            )
            raise UserError("in_use", detail, status=CONFLICT)
        audit_of_another(actor, model.owner, "model.deleted", locked)
        locked.delete()


KIND = JobKind(name=IMPORT, assign=assign, collect=collect, finish=finish, ended=ended, preemptible=False)
