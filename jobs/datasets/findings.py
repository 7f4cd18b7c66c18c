"""What the checker said, believed only as far as it fits these shapes: it ran on a stranger's file."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from jobs.runner.mounts import OutsideError, plain_file

MAX_CLASSES: Final = 1_000
MAX_COLUMNS: Final = 2_000
MAX_SKIPPED: Final = 200
MAX_FILES: Final = 60
MIB: Final = 1024 * 1024
FILE_BYTES: Final = {
    r"index\.json\.gz": 256 * MIB,
    r"table\.npz": 2048 * MIB,
    r"preview\.json": 4 * MIB,
    r"strip-[0-9]{1,4}\.webp": 2 * MIB,
}
"""The files that a check may leave, and the most bytes of each."""

Count = Annotated[int, Field(ge=0, le=10**12)]
Label = Annotated[str, Field(max_length=200)]
Sentence = Annotated[str, Field(min_length=1, max_length=2_000)]


class UnbelievableError(Exception):
    """The checker said or left something that it never does: the platform's trouble, or an attack on it."""


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Splits(_Shape):
    """Samples in each split."""

    train: Count
    validation: Count
    test: Count


class Skipped(_Shape):
    """A file or row that was left out, and why."""

    file: str = Field(max_length=400)
    reason: str = Field(max_length=2_000)


class Column(_Shape):
    """A column of a table, as inferred."""

    name: Label
    type: Annotated[str, Field(max_length=20)]
    role: Annotated[str, Field(max_length=20)] = "feature"
    missing: Count = 0
    different: Count | None = None
    reason: str | None = Field(default=None, max_length=1_000)
    note: str | None = Field(default=None, max_length=1_000)
    categories: list[Label] | None = Field(default=None, max_length=1_000)
    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None
    mean: FiniteFloat | None = None


class Looks(_Shape):
    """What the pictures look like. A checker of before tells neither height nor width."""

    side: Annotated[int, Field(ge=1, le=10**6)]
    height: Annotated[int, Field(ge=1, le=10**6)] | None = None
    width: Annotated[int, Field(ge=1, le=10**6)] | None = None
    coloured: bool


class Report(_Shape):
    """What is in a version. `classes` counts the samples of each label, and is empty for regression."""

    samples: Count
    classes: dict[Label, Count] = Field(default_factory=dict, max_length=MAX_CLASSES)
    splits: Splits
    columns: list[Column] | None = Field(default=None, max_length=MAX_COLUMNS)
    pictures: Looks | None = None
    skipped: list[Skipped] = Field(default_factory=list, max_length=MAX_SKIPPED)
    skipped_total: Count = 0


class Progress(_Shape):
    """How far the check is."""

    type: Literal["progress"]
    progress: Annotated[float, Field(ge=0, le=1)]


class Ready(_Shape):
    """The upload can be trained on; `files` were left for us."""

    type: Literal["result"]
    state: Literal["ready"]
    report: Report
    files: list[Annotated[str, Field(max_length=60)]] = Field(max_length=MAX_FILES)


class Rejected(_Shape):
    """The upload can't be used, and why."""

    type: Literal["result"]
    state: Literal["rejected"]
    code: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
    reason: Sentence


class Strips(_Shape):
    """How many thumbnails there are of each label's number."""

    strips: dict[Annotated[str, Field(pattern=r"^[0-9]{1,4}$")], Count] = Field(max_length=MAX_CLASSES)


class Rows(_Shape):
    """A table's first rows, as text."""

    columns: list[Column] = Field(max_length=MAX_COLUMNS)
    rows: list[list[Annotated[str, Field(max_length=1_000)]]] = Field(max_length=100)


_lines: TypeAdapter[Progress | Ready | Rejected] = TypeAdapter(
    Annotated[
        Progress | Annotated[Ready | Rejected, Field(discriminator="state")],
        Field(union_mode="left_to_right"),
    ]
)

_previews: TypeAdapter[Strips | Rows] = TypeAdapter(Strips | Rows)


def line(text: str) -> Progress | Ready | Rejected:
    """One line of the checker's. UnbelievableError when it is of no known shape."""
    try:
        return _lines.validate_json(text)
    except ValidationError as error:
        raise UnbelievableError(f"the checker said {text[:200]!r}: {error.error_count()} errors") from error


def stored_report(report: Report) -> dict[str, Any]:
    """The report as it is kept and shown: without what is not there."""
    return report.model_dump(exclude_none=True)


def left_files(ready: Ready, folder: Path) -> dict[str, Path]:
    """The files that the check left, by name. UnbelievableError for other names, links, too large ones."""
    return {name: _left_file(folder, name) for name in ready.files}


def _left_file(folder: Path, name: str) -> Path:
    most = next((size for pattern, size in FILE_BYTES.items() if re.fullmatch(pattern, name)), None)
    if most is None:
        raise UnbelievableError(f"the checker left a file named {name!r}")
    try:
        path = plain_file(folder, name)
    except OutsideError as error:
        raise UnbelievableError(f"the checker left no plain file: {error}") from error
    if path.stat().st_size > most:
        raise UnbelievableError(f"the checker left {name} of {path.stat().st_size} bytes")
    return path


def preview(content: bytes) -> dict[str, Any] | None:
    """A stored preview: `strips` of pictures, or `columns` and `rows` of a table. None when it can't be
    believed.
    """
    try:
        return _previews.validate_json(content).model_dump(exclude_none=True)
    except ValidationError:
        return None
