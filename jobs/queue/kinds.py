"""Kinds of job, as a registry: what a node is given for each, and what becomes of its results.

Higher rooms fill it when they start (`AppConfig.ready`): bundles registers `build`, and what a finished train job
yields. Lower code never names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from django.utils.translation import gettext as _

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


@dataclass(frozen=True)
class Yield:
    """What a job led to: the id of its model, and the ids of the bundles built of it."""

    model: str | None = None
    bundles: tuple[str, ...] = ()


class Models(Protocol):
    """What the room that keeps models does for this one."""

    def trained(self, job: Job, artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
        """Record what a train job yields, in the transaction in which it succeeds."""

    def warm_start(self, owner: Member, model: str) -> Blob:
        """The weights of that model. UserError when it is unknown or not the owner's to use."""

    def yields_of(self, job_ids: Sequence[str]) -> Mapping[str, Yield]:
        """What these jobs led to (those without are left out), in as few queries for all as for one."""

    def panel(self, job: Job) -> Mapping[str, Any]:
        """What it adds to the page of `job`, as template variables."""


class NoModels:
    """Until a room keeps models: trainings yield nothing."""

    def trained(self, job: Job, artefacts: Mapping[str, Blob], summary: Mapping[str, Any]) -> None:
        pass

    def warm_start(self, owner: Member, model: str) -> Blob:
        raise UserError("unknown_model", _("There is no such model to start from."))

    def yields_of(self, job_ids: Sequence[str]) -> Mapping[str, Yield]:
        return {}

    def panel(self, job: Job) -> Mapping[str, Any]:
        return {}


_keeper: Models = NoModels()


def keep_models(keeper: Models) -> None:
    """Name the room that keeps models, once, when it starts."""
    global _keeper  # noqa: PLW0603 - one place, filled while the rooms load
    _keeper = keeper


def models() -> Models:
    """The room that keeps models."""
    return _keeper
