"""The `train` kind: a dataset version and a recipe in, a Keras model and its report out."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from hardware.nodes.models import AcceleratorKind
from hardware.targets.profiles import Kind, Target
from hardware.targets.registry import TARGETS
from jobs.datasets.models import Version
from jobs.queue.kinds import Assignment, JobKind, Result, record_trained, register, warm_start_blob
from jobs.queue.models import Job
from portal.core import storage
from portal.core.models import Blob
from portal.kit.errors import UserError

DATA = ("index.json.gz", "table.npz")
TIGHT = frozenset({Kind.MICROCONTROLLER, Kind.FPGA})
RUNS_ON = frozenset(
    {AcceleratorKind.CPU, AcceleratorKind.GPU}
)  # the engine finds no other, and knows no board


def data_inputs(version: Version) -> dict[str, Blob]:
    """A version's files as inputs of a job, under `data/`."""
    derived = {row.name: row.blob for row in version.files.filter(name__in=DATA).select_related("blob")}
    return {"data/upload": version.upload, **{f"data/{name}": blob for name, blob in derived.items()}}


def assign(job: Job) -> Assignment:
    """The engine's task of a train job. UserError when its data is gone."""
    version = job.version
    if version is None:
        raise UserError("bad_data", _("The dataset version was deleted before the job could start."))
    inputs = data_inputs(version)
    targets = to_fit(job.spec)
    task: dict[str, Any] = {
        "kind": "train",
        "recipe": job.recipe,
        "params": job.spec.get("params", {}),
        "data": "/job/in/data",
        "data_key": version.upload.sha256,
        "cache": "/cache",
        "out": "/job/out",
        "resume": None,
        "warm_start": None,
        "targets": [target.as_json() for target in targets],
        "fit": bool(job.spec.get("fit")) and bool(targets),
        "asked": job.fit.get("asked", {}),
        "memory_mb": (job.spec.get("resources") or {}).get("memory_mb"),
    }
    if job.checkpoint is not None:
        inputs["checkpoint"] = job.checkpoint
        task["resume"] = "/job/in/checkpoint"
    if model := job.spec.get("warm_start"):
        inputs["warm-start.keras"] = warm_start_blob(owner=job.owner, model=model)
        task["warm_start"] = "/job/in/warm-start.keras"
    return Assignment(task=task, inputs=inputs, cache_key=version.pk)


def to_fit(spec: Mapping[str, Any]) -> list[Target]:
    """The targets that the engine looks at before it trains: all of them when it may make the model smaller, or when
    there is a microcontroller or an FPGA board among them. The others have room enough for the portal's estimate to be
    the last word.
    """
    found = [TARGETS[name] for name in spec.get("targets") or () if name in TARGETS]
    tight = any(target.kind in TIGHT for target in found)
    return found if tight or spec.get("fit") else []


def collect(_job: Job, result: Result) -> Mapping[str, Blob]:
    """Store what the engine announced."""
    return {name: storage.copy_in(path) for name, path in result.artefacts.items()}


def install() -> None:
    register(JobKind(name="train", assign=assign, collect=collect, finish=record_trained, runs_on=RUNS_ON))
