"""`explanations` of a report, read with suspicion: what the engine's `explain` writes, and nothing else.

In `report.json` a picture is base64; in our rows it is its number, and its bytes stay in the report's file. Parts of an
unknown kind, or not of the shape of theirs, are left out: a report of before or after this code can still be read.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_PICTURE = 120_000
Text = Annotated[str, Field(max_length=400)]
Count = Annotated[int, Field(ge=0)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Answer(_Shape):
    """What was answered to one sample of the test split, and how surely (0..1)."""

    name: Text
    predicted: Text
    confidence: float | None


class ClassMistakes(_Shape):
    """The wrong answers to samples of one class that the model was surest of; counts are of the test split."""

    label: Text
    mistakes: Count
    samples: Count
    worst: list[Answer] = Field(max_length=10)


class Mistakes(_Shape):
    kind: Literal["confident-mistakes"]
    classes: list[ClassMistakes] = Field(max_length=200)
    classes_left_out: Count = 0


class Example(Answer):
    """A picture beside its map; `label` is the truth."""

    label: Text
    right: bool
    picture: Annotated[str, Field(max_length=MAX_PICTURE)] | int | None


class Deletion(_Shape):
    """The deletion test: mean scores of the maps and of random orders, over so many pictures."""

    score: float
    random: float
    pictures: Count
    convincing: bool


class Maps(_Shape):
    kind: Literal["attribution-maps"]
    method: Text
    deletion: Deletion | None
    examples: list[Example] = Field(max_length=100)
    examples_left_out: Count = 0


class Column(_Shape):
    """What the model does worse when this column is shuffled, mean and standard deviation."""

    name: Text
    loss: float
    spread: float


class Importance(_Shape):
    kind: Literal["permutation-importance"]
    measure: Literal["accuracy", "rmse"]
    undisturbed: float
    rows: Count
    repeats: Count
    columns: list[Column] = Field(max_length=100)
    columns_left_out: Count = 0

    @property
    def bars(self) -> list[dict[str, Any]]:
        """The columns with the length of their bars, in percent of the longest."""
        longest = max((column.loss for column in self.columns), default=0.0) or 1.0
        return [
            {"column": column, "percent": min(100.0, max(0.0, 100 * column.loss / longest))}
            for column in self.columns
        ]


class Condition(_Shape):
    """What a rule asks of one column."""

    column: Text
    above: float | None = None
    at_most: float | None = None
    missing: bool | None = None
    is_: Text | None = Field(None, alias="is")
    is_not: list[Text] = Field(default_factory=list, max_length=100)


class Rule(_Shape):
    """`rows` is the share of test rows it is for; of these the model answers `agrees` alike, or varies by `spread`."""

    conditions: list[Condition] = Field(max_length=40)
    rows: float
    answer: Text | None = None
    agrees: float | None = None
    value: float | None = None
    spread: float | None = None


class Rules(_Shape):
    kind: Literal["surrogate-rules"]
    measure: Literal["agreement", "r2"]
    fidelity: float
    without_rules: float
    quality: float
    rows: Count
    rules: list[Rule] = Field(max_length=40)


class LeftOut(_Shape):
    """What could not be explained, and why."""

    kind: Literal["left-out"]
    of: Text
    reason: Text


Part = Mistakes | Maps | Importance | Rules | LeftOut
KINDS: dict[str, type[Part]] = {
    "confident-mistakes": Mistakes,
    "attribution-maps": Maps,
    "permutation-importance": Importance,
    "surrogate-rules": Rules,
    "left-out": LeftOut,
}


def read(value: object) -> list[Part]:
    """The parts that can be read of a report's `explanations`."""
    return list(_read(value)) if isinstance(value, list) else []


def _read(value: list[object]) -> Iterator[Part]:
    for given in value:
        kind = KINDS.get(str(given.get("kind"))) if isinstance(given, dict) else None
        if kind is not None:
            try:
                yield kind.model_validate(given)
            except ValidationError:
                continue


def plain(parts: list[Part]) -> list[dict[str, Any]]:
    """As JSON values; what a rule or a condition does not say is not there."""
    return [_plain(part) for part in parts]


def _plain(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


def without_pictures(value: object) -> list[dict[str, Any]]:
    """`explanations` as they are kept in a row: each picture is its number, None if it is none."""
    numbers = iter(range(10_000))
    found = plain(read(value))
    for part in found:
        for example in part.get("examples", []):
            number = next(numbers)
            example["picture"] = None if _decoded(example["picture"]) is None else number
    return found


def picture(report: bytes, number: int) -> bytes | None:
    """The bytes (WebP) of the picture of that number in a report's file; None when there is none."""
    try:
        value = json.loads(report)
    except ValueError:
        return None
    parts = read(value.get("explanations") if isinstance(value, dict) else None)
    pictures = [example.picture for part in parts if isinstance(part, Maps) for example in part.examples]
    return _decoded(pictures[number]) if number < len(pictures) else None


def _decoded(text: object) -> bytes | None:
    """Only what begins as a WebP file does: it is shown as that and as nothing else."""
    if not isinstance(text, str):
        return None
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None
