"""Jobs of the kind `noop`, and nodes that can run them: many accelerators each, and an engine that knows both kinds.

All else of a node is the real one: its worker, its warm parent and sandbox, a process for every job. Trainings ask for
what one node alone has (accelerators that call themselves TPUs): only that one loads TensorFlow, as to load it on all
of them after every kill would take most of a small machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from hardware.nodes.models import AcceleratorKind
from jobs.queue import agent
from jobs.queue.kinds import KINDS, Assignment, JobKind, Result, register
from jobs.queue.models import Job
from jobs.runner.warm import WarmParent
from portal.core.models import Blob

KIND = "noop"
ENGINE = Path(__file__).parent / "engine"
TRAINING = "tpu"
GIB = 1024**3


def install() -> None:
    """In every process of the portal: only a node ever looks at the last three."""
    anywhere = frozenset(AcceleratorKind)
    register(JobKind(KIND, assign=_assign, collect=_collect, finish=_finish, runs_on=anywhere))
    register(replace(KINDS["train"], runs_on=anywhere))
    agent.TARGET = "noop_engine:run"
    agent.WarmParent = _warm_parent
    kind = TRAINING if settings.CHAOS_TRAINS else "cpu"
    agent.probe = partial(_with_slots, agent.probe, settings.CHAOS_SLOTS, kind)


def _warm_parent(home: Path, *, preload: Sequence[str], **options: Any) -> WarmParent:
    return WarmParent(home, preload=preload if settings.CHAOS_TRAINS else (), code=[ENGINE], **options)


def _assign(job: Job) -> Assignment:
    """The cache is that of a version, as a train job's: what no version is known for is swept away."""
    attempt = job.attempts.get(ended_at=None)
    task = {"kind": KIND, "job": job.pk, "attempt": attempt.number, "seconds": job.spec["seconds"]}
    return Assignment(task=task | {"cache": "/cache"}, cache_key=job.version_id)


def _collect(_job: Job, _result: Result) -> Mapping[str, Blob]:
    return {}


def _finish(_job: Job, _blobs: Mapping[str, Blob], _summary: Mapping[str, Any]) -> None:
    """It yields nothing."""


def _with_slots(probe: Callable[[Path], dict[str, Any]], slots: int, kind: str, home: Path) -> dict[str, Any]:
    """What the probe found, but with so many accelerators, of that kind."""
    found = probe(home)
    model = found["cpu"].get("model", "")
    alike = [{"kind": kind, "index": index, "model": model, "memory_bytes": GIB} for index in range(slots)]
    return found | {"accelerators": alike}
