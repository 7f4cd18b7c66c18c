"""The task that the supervisor hands in, typed."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hardware.targets.profiles import Target, from_json


class TrainTask(BaseModel):
    """One training; paths are those that this process sees.

    `data` holds the version (`upload`, `index.json.gz`, for tables `table.npz`) and `data_key` names its content;
    `cache` survives between jobs; `out` is the only other writable place. `resume` is a checkpoint of an earlier
    attempt, `warm_start` a .keras file. `checkpoint_s` is the most seconds of work that a crash may cost.
    `gpus` is how many the task was given, None for all that there are; `gpu_limit_mb` what it may take of each (MiB),
    None for all. `targets` are the profiles of the boards that the model has to fit before it is trained, if any; with
    `fit` it is made small enough for them. `asked` are the parameters that the portal made smaller for that, as they
    were asked for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    recipe: str
    params: dict[str, Any] = Field(default_factory=dict)
    data: Path
    data_key: str
    cache: Path
    out: Path
    resume: Path | None = None
    warm_start: Path | None = None
    threads: int | None = None
    gpus: int | None = None
    gpu_limit_mb: int | None = None
    checkpoint_s: float = 20.0
    targets: tuple[Target, ...] = ()
    fit: bool = False
    asked: dict[str, int] = Field(default_factory=dict)

    @field_validator("targets", mode="before")
    @classmethod
    def _profiles(cls, data: Any) -> tuple[Target, ...]:
        try:
            return tuple(each if isinstance(each, Target) else from_json(each) for each in data)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a target's profile: {error}") from error
