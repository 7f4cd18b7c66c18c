"""A training's report, read with suspicion: it was written inside a sandbox that had read a member's data."""

import json
import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from portal.kit.errors import UserError

MAX_BYTES = 8 * 1024**2
MAX_LABELS = 10_000
MAX_DEPTH = 12
SENTENCE = "The training left no report that can be read, so the model is not offered. Submit the job again."

Label = Annotated[str, Field(max_length=200)]
Values = Annotated[dict[str, JsonValue], Field(max_length=60)]


class Metrics(BaseModel):
    """Measurements by split. Only the test split's are promised."""

    model_config = ConfigDict(extra="ignore")

    test: Values
    validation: Values = Field(default_factory=dict)


class Report(BaseModel):
    """`report.json` as the engine writes it. More fields may be there and are kept."""

    model_config = ConfigDict(extra="allow")

    task: str = Field(max_length=40)
    labels: list[Label] = Field(default_factory=list, max_length=MAX_LABELS)
    metrics: Metrics

    @field_validator("labels", mode="before")
    @classmethod
    def none_means_no_labels(cls, value: object) -> object:
        """A regression has no labels, and says so by null."""
        return [] if value is None else value


def parse(content: bytes) -> Report:
    """The report in `content`; numbers that JSON has no word for (NaN, infinities) become null.

    Raises UserError `bad_report` when it is too large or not of the expected shape.
    """
    if len(content) > MAX_BYTES:
        raise UserError("bad_report", SENTENCE)
    try:
        return Report.model_validate(plain_json(content))
    except (ValidationError, ValueError, RecursionError) as error:
        raise UserError("bad_report", SENTENCE) from error


def plain_json(content: bytes) -> Any:
    """Parsed JSON that every database can store: no NaN, no NUL characters. Raises ValueError."""
    return storable(json.loads(content.decode("utf-8")))


def storable(value: Any, depth: int = 0) -> Any:
    """`value` without what PostgreSQL's JSON refuses; ValueError when nested deeper than what we write."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(str(key)): storable(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner, depth + 1) for inner in value]
    return value
