"""Kinds of job, as a registry: what a node is given for each, and what becomes of its results.

Higher rooms fill it when they start (`AppConfig.ready`): bundles registers `build`, and what a finished train job
yields. Lower code never names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.queue.models import Job
from portal.core.models import Blob
from portal.kit.errors import UserError
from portal.members.models import Member


@dataclass(frozen=True)
class Assignment:
    """What a node needs to run a job.

    `task` is the engine's task; its paths are those inside the sandbox: inputs appear read-only under `/job/in/` by
    the names of `inputs` (which may contain one folder, as in `data/index.json.gz`), what is written goes under
    `/job/out`, and `/cache` is kept on the node per `cache_key` (empty: none).
    """

    task: dict[str, Any]
    inputs: Mapping[str, Blob] = field(default_factory=dict)
    cache_key: str = ""


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
    moves the job to succeeded. `ended` runs in the transaction of a move to failed or cancelled.
    """

    name: str
    assign: Callable[[Job], Assignment]
    collect: Callable[[Job, Result], Mapping[str, Blob]]
    finish: Callable[[Job, Mapping[str, Blob], Mapping[str, Any]], None]
    ended: Callable[[Job], None] = lambda job: None  # noqa: ARG005


KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    """Make a kind known. A second one of the same name replaces the first (a reload of the same code)."""
    KINDS[kind.name] = kind

TRAINED: list[Callable[[Job, Mapping[str, Blob], Mapping[str, Any]], None]] = []
"""Called in the transaction in which a train job succeeds: what it yields is for higher rooms to record."""

WARM_STARTS: list[Callable[[Member, str], Blob]] = []
"""The one that knows models: (member, model id) → the Keras file to start from; UserError when there is none."""


def warm_start_blob(*, owner: Member, model: str) -> Blob:
    """The weights that a job is to start from. UserError when that model is unknown or not the owner's to use."""
    for find in WARM_STARTS:
        return find(owner, model)
    raise UserError("unknown_model", "There is no such model to start from.", status=404)


@dataclass(frozen=True)
class Yield:
    """What a job led to: the id of its model, and the ids of the bundles built of it."""

    model: str | None = None
    bundles: tuple[str, ...] = ()


YIELDS: list[Callable[[Sequence[str]], Mapping[str, Yield]]] = []
"""The one that knows what jobs led to: job ids → what each yielded (jobs without are left out)."""


def yields_of(job_ids: Sequence[str]) -> Mapping[str, Yield]:
    """What these jobs led to, in as few queries as the higher room needs for all of them."""
    for find in YIELDS:
        return find(job_ids)
    return {}


PANELS: list[Callable[[Job], Mapping[str, Any]]] = []
"""What higher rooms add to a job's page: each returns template variables."""


def panel_context(job: Job) -> dict[str, Any]:
    """Everything that higher rooms add to the page of `job`."""
    merged: dict[str, Any] = {}
    for add in PANELS:
        merged.update(add(job))
    return merged
