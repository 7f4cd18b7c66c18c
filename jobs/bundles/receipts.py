"""The receipt of a model: what it was made of, by which code, where, and what that took. The manifest of every bundle
repeats it, and is signed.

Its reader may be anyone to whom the member hands a bundle. So it names no member and no donor of a node; a node goes by
the name, and its accelerators by the model, that every member sees on the machine's page.
"""

from collections.abc import Mapping
from typing import Any

from jobs.bundles.models import TrainedModel
from jobs.queue.models import Attempt, Job
from portal.ledger import queries as ledger
from portal.ledger.models import LedgerEntry

FORMAT = 1
MAX_TEXT = 80
MAX_LIBRARIES = 40


def of(model: TrainedModel) -> dict[str, Any]:
    """The receipt of a model that is ready, as plain JSON values.

    `recipe`, `seed` and `training` are None for a model that was brought; `data` is None for one without data.
    `code_version` and `libraries` are what the engine said in the report, which it wrote inside its sandbox; the rest
    is what the portal knows.
    """
    trained = None if model.is_brought else model.job
    params = (trained.spec.get("params") or {}) if trained else {}
    return {
        "format": FORMAT,
        "origin": "brought" if model.is_brought else "trained",
        "recipe": _recipe(trained, params) if trained else None,
        "seed": params.get("seed"),
        "data": _data(model),
        "code_version": str(model.report.get("code_version", ""))[:MAX_TEXT],
        "libraries": _texts(model.report.get("libraries")),
        "training": _training(trained) if trained else None,
    }


def begun(model: TrainedModel, code_version: str) -> dict[str, Any]:
    """The receipt in a bundle that is made within the job that trains its model: what that takes is not known before
    its end, and stands in the receipt of the model itself.
    """
    return {**of(model), "code_version": code_version[:MAX_TEXT], "training": None}


def _recipe(job: Job, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": job.recipe, "params": dict(params), "warm_start": job.spec.get("warm_start")}


def _data(model: TrainedModel) -> dict[str, Any] | None:
    version = model.version
    if version is None:
        return None
    samples = model.report.get("samples")
    counts = samples if isinstance(samples, dict) else {}
    return {
        "dataset": version.dataset_id,
        "version": version.number,
        "sha256": version.upload.sha256,
        "samples": {str(split): count for split, count in counts.items() if isinstance(count, int)},
    }


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(name)[:MAX_TEXT]: str(text)[:MAX_TEXT] for name, text in list(value.items())[:MAX_LIBRARIES]}


def _training(job: Job) -> dict[str, Any]:
    """Every attempt that began, also those that a node's loss ended: they took time and energy too.

    `energy_kwh` is the sum of what is known, None when nothing is; `energy_known` tells whether that is all attempts,
    `energy_measured` whether all of it comes from counters, and nothing was estimated.
    """
    attempts = list(job.attempts.select_related("node").prefetch_related("accelerators"))
    charges = ledger.charges_of(attempt.pk for attempt in attempts)
    rows = [_attempt(attempt, charges[attempt.pk]) for attempt in attempts if attempt.pk in charges]
    known = [row for row in rows if row["energy_kwh"] is not None]
    return {
        "attempts": rows,
        "device_seconds": sum(row["device_seconds"] for row in rows),
        "energy_kwh": sum(row["energy_kwh"] for row in known) if known else None,
        "energy_known": bool(rows) and len(known) == len(rows),
        "energy_measured": bool(known) and all(row["energy_measured"] for row in known),
    }


def _attempt(attempt: Attempt, charge: LedgerEntry) -> dict[str, Any]:
    return {
        "node": attempt.node.title if attempt.node else attempt.node_name,
        "accelerator": attempt.accelerator_kind,
        "accelerators": [one.model or one.title for one in attempt.accelerators.all()],
        "device_seconds": charge.device_seconds,
        "energy_kwh": charge.energy_kwh,
        "energy_measured": charge.energy_measured,
    }
