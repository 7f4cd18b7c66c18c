"""Kinds of job, as a registry: what a node is given for each, and what becomes of its results.

Higher rooms fill it when they start (`AppConfig.ready`): bundles registers `build`, and what a finished train job
yields. Lower code never names them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from hardware.nodes.models import AcceleratorKind
from jobs.engine.spec import AcceleratorClass
from jobs.queue.models import Job
from jobs.queue.places import kind_of
from jobs.queue.yields import Yield
from portal.core.models import Blob
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member


@dataclass(frozen=True)
class Assignment:
    """What a node needs to run a job.

    `task` is the engine's task; its paths are those inside the sandbox: inputs appear read-only under `/job/in/` by
    the names of `inputs` (which may contain one folder, as in `data/index.json.gz`), what is written goes under
    `/job/out`, and `/cache` is kept on the node per `cache_key` (empty: none). `shelf` names a folder that the node
    keeps for all jobs (`jobs.queue.nodefiles.shelf`); it appears as `/job/in/{shelf}`, empty where the node has none.
    `devices` are device files of the node that the job is to open.
    """

    task: dict[str, Any]
    inputs: Mapping[str, Blob] = field(default_factory=dict)
    cache_key: str = ""
    shelf: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What the engine left: the folder that was `/job/out`, the artefacts it announced (name → file), its summary."""

    out: Path
    artefacts: Mapping[str, Path]
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class JobKind:
    """How one kind of job is run.

    `assign` makes the assignment (reads the database only). `collect` stores the results as blobs by name, outside of
    any transaction; it may raise UserError to fail the job in words. `finish` records them in the transaction that
    moves the job to succeeded. `ended` runs in the transaction of a move to failed or cancelled. What is not
    `preemptible` keeps its place until it ends: it saves no checkpoint. `runs_on` are the accelerator classes that it
    makes use of: of another it would take the place, at its price, and compute on the processor. `on_request` are
    further places (`jobs.queue.places`) that only those of its jobs get which ask for them. `evidence` are artefacts
    that stay with a job which fails, and tell why.
    """

    name: str
    assign: Callable[[Job], Assignment]
    collect: Callable[[Job, Result], Mapping[str, Blob]]
    finish: Callable[[Job, Mapping[str, Blob], Mapping[str, Any]], None]
    ended: Callable[[Job], None] = lambda job: None  # noqa: ARG005
    preemptible: bool = True
    runs_on: frozenset[str] = frozenset({AcceleratorKind.CPU})
    on_request: frozenset[str] = frozenset()
    evidence: frozenset[str] = frozenset()


KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    """Make a kind known. A second one of the same name replaces the first (a reload of the same code)."""
    KINDS[kind.name] = kind


def usable(kind: str, asked: str) -> frozenset[str]:
    """The places (`jobs.queue.places`) where a job of this kind may run that asks for `asked`, a place or `any`. One of
    a kind that nobody knows is kept from no class: it fails in words where it runs.
    """
    known = KINDS.get(kind)
    able = known.runs_on if known else frozenset(AcceleratorKind)
    if asked == AcceleratorClass.ANY:
        return able
    return (able | (known.on_request if known else frozenset())) & {asked}


def in_use() -> frozenset[str]:
    """The accelerator classes that jobs of any kind make use of."""
    return frozenset(kind_of(place) for each in KINDS.values() for place in each.runs_on | each.on_request)


def usable_by(jobs: Collection[str]) -> dict[str, frozenset[str]]:
    """The places that each of these jobs could ask for. What asked for a place that nothing gets unasked is nowhere
    else what it is there.
    """
    rows = Job.objects.filter(pk__in=list(jobs)).values_list("pk", "kind", "accelerator")
    return {job: _could_ask_for(kind, asked) for job, kind, asked in rows}


def _could_ask_for(kind: str, asked: str) -> frozenset[str]:
    anywhere = usable(kind, AcceleratorClass.ANY)
    return anywhere if asked == AcceleratorClass.ANY or asked in anywhere else frozenset({asked})


def check_use(kind: str, asked: str) -> None:
    """UserError `unsuitable_accelerator` when a job of this kind has no use for the class that it asks for."""
    if usable(kind, asked):
        return
    known = KINDS[kind]
    able = ", ".join(sorted({kind_of(place).upper() for place in known.runs_on | known.on_request}))
    detail = _(
        "Jobs of this kind make no use of %(asked)s accelerators. Choose one of these: %(able)s, or “any”."
    )
    detail %= {"asked": asked.upper(), "able": able}
    raise UserError("unsuitable_accelerator", detail, errors=[FieldError("resources.accelerator", detail)])


@dataclass(frozen=True)
class Extension:
    """What a higher room adds to jobs; None where it adds nothing.

    `trained` records what a train job yields, in the transaction in which it succeeds. `warm_start` gives the weights
    of a model to start from (member, model id), or raises UserError. `yields` says what jobs led to (those without
    are left out), in as few queries for all as for one. `panel` gives template variables for a job's page.
    `latency_factors` says by how much real boards were slower than estimated, by target.
    """

    name: str
    trained: Callable[[Job, Mapping[str, Blob], Mapping[str, Any]], None] | None = None
    warm_start: Callable[[Member, str], Blob] | None = None
    yields: Callable[[Sequence[str]], Mapping[str, Yield]] | None = None
    panel: Callable[[Job], Mapping[str, Any]] | None = None
    latency_factors: Callable[[], Mapping[str, float]] | None = None


EXTENSIONS: dict[str, Extension] = {}


def extend(extension: Extension) -> None:
    """Make an extension known. A second one of the same name replaces the first (a reload of the same code)."""
    EXTENSIONS[extension.name] = extension


def record_trained(job: Job, artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
    """Have what a train job yields recorded, in the transaction in which it succeeds."""
    for extension in EXTENSIONS.values():
        if extension.trained:
            extension.trained(job, artefacts, summary)


def warm_start_blob(*, owner: Member, model: str) -> Blob:
    """The weights that a job is to start from. UserError when that model is unknown or not the owner's to use."""
    for extension in EXTENSIONS.values():
        if extension.warm_start:
            return extension.warm_start(owner, model)
    raise UserError("unknown_model", _("There is no such model to start from."), status=400)


def yields_of(job_ids: Sequence[str]) -> Mapping[str, Yield]:
    """What these jobs led to."""
    found: dict[str, Yield] = {}
    for extension in EXTENSIONS.values():
        if extension.yields:
            found.update(extension.yields(job_ids))
    return found


def latency_factors() -> Mapping[str, float]:
    """By how much real boards were slower than estimated, by target; those not named are taken to be as estimated."""
    found: dict[str, float] = {}
    for extension in EXTENSIONS.values():
        if extension.latency_factors:
            found.update(extension.latency_factors())
    return found


def panel_context(job: Job) -> dict[str, Any]:
    """Everything that higher rooms add to the page of `job`."""
    merged: dict[str, Any] = {}
    for extension in EXTENSIONS.values():
        if extension.panel:
            merged.update(extension.panel(job))
    return merged
