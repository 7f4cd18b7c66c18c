"""What happens to models and bundles: a training yields a model, a member asks for a bundle of it."""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, ValidationError

from hardware.nodes.models import AcceleratorKind
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from jobs.bundles import explanations, receipts, reports
from jobs.bundles.models import CURRENT, Bundle, BundleState, ModelState, TrainedModel
from jobs.bundles.queries import visible_models
from jobs.engine.recipes.registry import RECIPES
from jobs.queue import fitting
from jobs.queue.capacity import check_builds
from jobs.queue.models import Job
from jobs.queue.places import builds_on, kind_of
from jobs.queue.services import submit_internal
from portal.core import storage
from portal.core.models import Blob
from portal.kit.errors import FieldError, UserError
from portal.ledger.services import check_may_use
from portal.members.models import Member
from portal.members.services import audit_of_another

log = logging.getLogger(__name__)
KERAS_FILE = "model.keras"
REPORT_FILE = "report.json"
BUILD = "build"
FPGA_MINUTES = 60  # for all stages of a bitstream and its proof


class Options(BaseModel):
    """What may be asked of a build beside its target. `contained`: of an FPGA board, a second bitstream that holds the
    net.
    """

    model_config = ConfigDict(extra="forbid")

    contained: bool = False


def record_trained(job: Job, artefacts: Mapping[str, Blob], _summary: Mapping[str, Any]) -> None:
    """Record the model of a train job that succeeds, and ask for a bundle for each of its targets.

    Runs in the transaction of the job's success. Raises UserError `no_model` when the engine left no weights.
    A model whose report can't be read is recorded as refused, with the reason, and nothing is built of it.
    """
    keras = artefacts.get(KERAS_FILE)
    if keras is None:
        raise UserError("no_model", _("The training ended without a model. Submit the job again."))
    model = TrainedModel(
        owner=job.owner,
        job=job,
        dataset=job.dataset,
        version=job.version,
        name=job.name,
        keras=keras,
        report_file=artefacts.get(REPORT_FILE),
    )
    within = built_within(job)
    if within:
        model.pk = job.pk  # as its bundle, which is made already, says
    read_report(model)
    model.receipt = receipts.of(model)
    model.save()
    if model.state == ModelState.READY:
        for target in job.spec.get("targets") or []:
            if target != within:
                _ask_for(model, target)


def built_within(job: Job) -> str:
    """The FPGA board whose bundle a train job makes itself, as it runs where the tools for that are; "" for others."""
    if job.accelerator != AcceleratorKind.FPGA:
        return ""
    named = job.spec.get("targets") or []
    return next((name for name in named if name in TARGETS and TARGETS[name].kind is Kind.FPGA), "")


def read_report(model: TrainedModel) -> None:
    """Fill in what the report says, or refuse the model because of it."""
    try:
        report = _report_of(model.report_file)
    except UserError as error:
        model.state, model.reason = ModelState.REFUSED, error.detail
        return
    model.labels, model.report = report.labels, report.model_dump(mode="json")
    if "explanations" in model.report:
        model.report["explanations"] = explanations.without_pictures(model.report["explanations"])


def _report_of(blob: Blob | None) -> reports.Report:
    if blob is None or blob.bytes > reports.MAX_BYTES:
        raise UserError("bad_report", reports.SENTENCE)
    with storage.open_blob(blob) as file:
        return reports.parse(file.read())


def _ask_for(model: TrainedModel, target: str) -> None:
    """Ask for a bundle that the job named; what can't be built is written down and does not undo the
    training.
    """
    try:
        with transaction.atomic():
            request_bundle(model=model, target=target)
    except UserError as error:
        log.info("model %s: no bundle for %s: %s", model.pk, target, error.detail)
        Bundle.objects.create(
            model=model,
            target=target[:60],
            options_sha256=fingerprint_of({}),
            state=BundleState.REFUSED,
            reason=error.detail,
        )


def request_bundle(
    *,
    model: TrainedModel,
    target: str,
    options: Mapping[str, Any] | None = None,
    actor: Member | None = None,
) -> tuple[Bundle, bool]:
    """The bundle of `model` for `target` with `options`, and whether it was made now.

    One that is ready or being built is returned as it is; otherwise a build is queued in the name of the
    model's owner, for `actor` (None: the owner). Raises UserError for what can't be built: `unknown_target`,
    `not_yet`, `unsuitable_target`, `invalid` (options), `model_not_ready`, `no_data`, `too_large`, and where no build
    of the owner's could ever run `quota_zero` or `no_such_accelerator`.
    """
    plain = _checked_options(options or {})
    _check_target(model, target)
    _check_suits(target, plain)
    wanted = {"model": model, "target": target, "options_sha256": fingerprint_of(plain)}
    if existing := _current(wanted):
        return existing, False
    _check_buildable(model)
    check_may_use(model.owner, kind_of(builds_on(target)))
    check_builds(TARGETS[target], field="target")
    _check_size(model, target)
    try:
        with transaction.atomic():
            bundle = Bundle.objects.create(**wanted, options=plain)
            bundle.job = _queue_build(bundle)
            bundle.save(update_fields=["job"])
            audit_of_another(actor or model.owner, model.owner, "bundle.requested", model, {"target": target})
    except IntegrityError:  # asked for twice at once: the other one won
        winner = _current(wanted)
        if winner is None:
            raise
        return winner, False
    return bundle, True


def _current(wanted: Mapping[str, Any]) -> Bundle | None:
    return Bundle.objects.select_related("model", "job", "zip").filter(**wanted, state__in=CURRENT).first()


def _queue_build(bundle: Bundle) -> Job:
    model = bundle.model
    title = TARGETS[bundle.target].title
    return submit_internal(
        owner=model.owner,
        kind=BUILD,
        name=_("%(model)s for %(target)s") % {"model": model.name[:80], "target": title},
        spec={
            "model": model.pk,
            "target": bundle.target,
            "options": bundle.options,
            **_limits(bundle.target),
        },
        dataset=model.dataset,
        version=model.version,
        accelerator=builds_on(bundle.target),
    )


def _limits(target: str) -> dict[str, Any]:
    is_long = TARGETS[target].kind is Kind.FPGA
    return {"resources": {"max_minutes": FPGA_MINUTES}} if is_long else {}


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return Options.model_validate(dict(options)).model_dump(mode="json", exclude_defaults=True)
    except ValidationError as error:
        names = ", ".join(str(item["loc"][0]) for item in error.errors())
        sentence = _("Unknown options: %(names)s.") % {"names": names}
        raise UserError("invalid", sentence, errors=[FieldError("options", sentence)]) from None


def fingerprint_of(options: Mapping[str, Any]) -> str:
    """By which bundles of different options are told apart."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


def _check_target(model: TrainedModel, target: str) -> None:
    if target not in TARGETS:
        known = ", ".join(sorted(TARGETS))
        sentence = _("There is no such target. There are: %(known)s.") % {"known": known}
        raise UserError("unknown_target", sentence, errors=[FieldError("target", sentence)])
    if not TARGETS[target].buildable:
        sentence = _("Bundles for %(target)s can't be built yet. Choose another target.")
        sentence %= {"target": TARGETS[target].title}
        raise UserError("not_yet", sentence, errors=[FieldError("target", sentence)])
    if not model.suits(target):
        sentence = _("Models of this kind are not built for %(target)s.") % {"target": TARGETS[target].title}
        if model.is_sound:
            sentence = _(
                "The page for browsers takes pictures and tables, no sounds yet. Choose Linux: its run.py takes WAV "
                "files on any computer."
            )
        raise UserError("unsuitable_target", sentence, errors=[FieldError("target", sentence)])
    if model.lacks_data_for(target):
        sentence = _(
            "%(target)s takes int8, which is calibrated on data, and this model came without. Bring it again with a "
            "dataset."
        )
        sentence %= {"target": TARGETS[target].title}
        raise UserError("unsuitable_target", sentence, errors=[FieldError("target", sentence)])


def _check_suits(target: str, options: Mapping[str, Any]) -> None:
    """UserError for an option that builds for such a target don't know."""
    if options.get("contained") and TARGETS[target].kind is not Kind.FPGA:
        sentence = _("Only bitstreams for FPGA boards can hold the model (“contained”).")
        raise UserError("invalid", sentence, errors=[FieldError("options", sentence)])
    if options.get("contained") and not TARGETS[target].holds_model:
        sentence = _(
            "No bitstream for %(target)s can hold the model (“contained”): the memories that its weights lie in begin "
            "with nothing. Build it without; host.py loads the model."
        )
        sentence %= {"target": TARGETS[target].title}
        raise UserError("invalid", sentence, errors=[FieldError("options", sentence)])


def _check_size(model: TrainedModel, target: str) -> None:
    """UserError `too_large` where the engine of an FPGA board surely has no room, before hours go by. Other targets are
    looked at by the build, which takes a minute.
    """
    recipe = RECIPES.get(model.job.recipe) if model.job else None
    if TARGETS[target].kind is not Kind.FPGA or recipe is None or model.job is None or model.version is None:
        return
    made = (model.report.get("fit") or {}).get("chosen") or {}  # smaller than it was asked for
    params = {**(model.job.spec.get("params") or {}), **made}
    if reason := fitting.too_large(recipe, model.version, params, TARGETS[target]):
        raise UserError("too_large", reason, errors=[FieldError("target", reason)])


def _check_buildable(model: TrainedModel) -> None:
    if model.state != ModelState.READY:
        raise UserError("model_not_ready", model.reason or _("This model is not ready yet."), status=409)
    if model.is_dataless:
        return
    if model.version is None or model.dataset is None or model.dataset.deleted_at is not None:
        sentence = _(
            "The data of this model was deleted, and a bundle is measured on it. Upload the data again and train a "
            "new model, or bring this one again."
        )
        raise UserError("no_data", sentence, status=409)


def warm_start(owner: Member, model_id: str) -> Blob:
    """The weights of a model of `owner`'s to start a training from. UserError `unknown_model`."""
    model = visible_models(owner).filter(pk=model_id, state=ModelState.READY).first()
    if model is None or model.keras is None:
        sentence = _("There is no such model to start from, or it is not yours.")
        raise UserError("unknown_model", sentence, status=404, errors=[FieldError("warm_start", sentence)])
    return model.keras
