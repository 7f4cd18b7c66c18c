"""A build's manifest that repeats what the portal told it."""

import json
from pathlib import Path
from typing import Any

from jobs.bundles import building
from jobs.bundles.models import Bundle
from tests.bundles.folders import write_manifest


def repeat(bundle: Bundle, folder: Path, *, without: str = "", **changes: Any) -> None:
    """Write it for what the folder holds: what the task of the build says, `changes` to that, and one entry less."""
    assert bundle.job is not None
    assert bundle.model.keras is not None
    task = building.assign(bundle.job).task
    kept = {name: value for name, value in task["provenance"].items() if name not in building.APART}
    said = {
        "receipt": task["receipt"],
        "signed_by": task["signed_by"],
        "created_at": task["provenance"]["created_at"],
        "provenance": {**kept, "model_sha256": bundle.model.keras.sha256},
        **changes,
    }
    said.pop(without, None)
    write_manifest(folder, **json.loads(json.dumps(said)))
