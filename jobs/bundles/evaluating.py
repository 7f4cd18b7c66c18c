"""The `evaluate` kind: a bundle's test split, run by an FPGA board that is plugged into a node.

The board holds the bundle's bitstream already, or says that it doesn't: programming it is its owner's to do.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from hardware.nodes import queries as nodes
from jobs.bundles import building
from jobs.bundles.models import Bundle, BundleState
from jobs.engine.spec import JobKind as Kinds
from jobs.queue.capacity import has_place
from jobs.queue.kinds import Assignment, JobKind, Result
from jobs.queue.models import Job
from jobs.queue.places import BOARDS, kind_of
from jobs.queue.services import submit_internal
from jobs.queue.train import data_inputs
from portal.core.models import Blob
from portal.kit.errors import FieldError, UserError
from portal.ledger.services import check_may_use
from portal.members.models import Member
from portal.members.services import audit_of_another

MINUTES = 30
CONFLICT = 409


@transaction.atomic
def request_evaluation(*, bundle: Bundle, actor: Member) -> Job:
    """Queue an evaluation in the name of the bundle's owner. UserError: `not_ready`, `unsuitable_target` for a bundle
    that is for no FPGA board, `no_such_accelerator` where no node has the board, `no_data`, `quota_zero`.
    """
    _check(bundle)
    owner = bundle.model.owner
    place = BOARDS[bundle.target]
    check_may_use(owner, kind_of(place))
    job = submit_internal(
        owner=owner,
        kind=Kinds.EVALUATE,
        name=_("%(model)s on %(board)s") % {"model": bundle.model.name[:80], "board": bundle.title},
        spec={"bundle": bundle.pk, "target": bundle.target, "resources": {"max_minutes": MINUTES}},
        dataset=bundle.model.dataset,
        version=bundle.model.version,
        accelerator=place,
    )
    audit_of_another(actor, owner, "bundle.evaluated", bundle.model, {"target": bundle.target})
    return job


def _check(bundle: Bundle) -> None:
    if bundle.target not in BOARDS:
        sentence = _("Only bundles for FPGA boards are run on boards here.")
        raise UserError("unsuitable_target", sentence, errors=[FieldError("bundle", sentence)])
    if bundle.state != BundleState.READY or bundle.zip is None:
        raise UserError("not_ready", bundle.reason or _("It is still being built."), status=CONFLICT)
    if not has_place(BOARDS[bundle.target]):
        sentence = _(
            "No node has a %(board)s attached, so it can't be tried on one here. Plug one into a node and restart its "
            "worker, or run host.py of the bundle where you have one."
        )
        raise UserError("no_such_accelerator", sentence % {"board": bundle.title}, status=CONFLICT)
    if bundle.model.version is None:
        sentence = _("The data of this model was deleted, so there are no test samples to run.")
        raise UserError("no_data", sentence, status=CONFLICT)


def assign(job: Job) -> Assignment:
    """The engine's task of an evaluation. UserError when bundle or data are gone, or the board has no serial line."""
    bundle = Bundle.objects.select_related("zip").filter(pk=job.spec["bundle"]).first()
    if bundle is None or bundle.zip is None or job.version is None:
        raise UserError("bad_data", _("The bundle or its data was deleted before the evaluation began."))
    port = _port(job)
    task = {
        "kind": str(Kinds.EVALUATE),
        "bundle": "/job/in/bundle.zip",
        "data": "/job/in/data",
        "data_key": job.version.upload.sha256,
        "cache": "/cache",
        "out": "/job/out",
        "port": port,
    }
    inputs = {"bundle.zip": bundle.zip, **data_inputs(job.version)}
    return Assignment(task=task, inputs=inputs, cache_key=job.version.pk, devices=(port,))


def _port(job: Job) -> str:
    """The serial line of the board that the job was given."""
    attempt = job.attempts.filter(ended_at=None).first()
    boards = attempt.accelerators.select_related("node") if attempt else ()
    port = next((said for board in boards if (said := nodes.details(board).get("port"))), "")
    if not port:
        raise UserError(
            "bad_data",
            _(
                "The node finds no serial line of this board. A steward has to see that it is plugged in, and restart "
                "the node's worker."
            ),
        )
    return port


def collect(_job: Job, _result: Result) -> Mapping[str, Blob]:
    """It leaves no files."""
    return {}


def finish(job: Job, _artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
    """What the board made of it stands with the bundle."""
    bundle = Bundle.objects.select_for_update().filter(pk=job.spec["bundle"]).first()
    if bundle is not None:
        bundle.metrics = {**bundle.metrics, "on_board": building.measured(summary)}
        bundle.save(update_fields=["metrics"])


KIND = JobKind(
    name=Kinds.EVALUATE,
    assign=assign,
    collect=collect,
    finish=finish,
    preemptible=False,
    runs_on=frozenset(),
    on_request=frozenset(BOARDS.values()),
)
