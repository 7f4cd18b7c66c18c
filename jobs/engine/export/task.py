"""The build task that the supervisor hands in, typed."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hardware.targets.profiles import Target, from_json


class Provenance(BaseModel):
    """Where a bundle comes from. Stands in its manifest as it is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    job: str = ""
    model: str = ""
    dataset: str = ""
    version: int | str = ""
    dataset_sha256: str = ""
    code_version: str = ""
    created_at: str = ""
    name: str = ""
    origin: str = "trained"  # or "brought"


class BuildTask(BaseModel):
    """One build; paths are those that this process sees.

    `model` is a model.keras and `report` a report.json of this engine's; `data`, `data_key` and `cache` are
    as for training, `data` None for a model that was brought without any; the bundle's folder is made as `out/bundle`.
    `receipt` and `signed_by` are the portal's, and stand in the manifest as they are. `options` are what was asked for
    beside the target; `prepared` is a folder of the node's, read-only, with parts that were made ahead.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    target: Target
    model: Path
    report: Path
    data: Path | None = None
    data_key: str = ""
    cache: Path
    out: Path
    provenance: Provenance = Field(default_factory=Provenance)
    receipt: dict[str, Any] = Field(default_factory=dict)
    signed_by: dict[str, str] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    prepared: Path | None = None
    threads: int | None = Field(default=None, ge=1)

    @field_validator("target", mode="before")
    @classmethod
    def _profile(cls, data: Any) -> Target:
        try:
            return data if isinstance(data, Target) else from_json(data)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a target's profile: {error}") from error


def read_report(path: Path) -> dict[str, Any]:
    """The parsed report.json of the training."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report
