"""What the checker answers: a report that members and the API read, or a refusal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from jobs.datasets.formats.limits import MAX_SKIPPED_LISTED
from jobs.datasets.formats.names import clean

Progress = Callable[[float], None]
"""Told the part that is done, 0..1."""


class Skip(TypedDict):
    file: str
    reason: str


class ColumnReport(TypedDict):
    """One column as inferred. `reason` says why an ignored one is not used, `note` what else to know."""

    name: str
    type: Literal["number", "category", "ignored"]
    role: Literal["feature", "label", "ignored"]
    missing: int
    different: int
    reason: NotRequired[str]
    note: NotRequired[str]
    categories: NotRequired[list[str]]
    minimum: NotRequired[float]
    maximum: NotRequired[float]
    mean: NotRequired[float]


class Looks(TypedDict):
    """Of pictures: the medians of their shorter sides, heights and widths in pixels, and whether some have a colour."""

    side: int
    height: int
    width: int
    coloured: bool


class Report(TypedDict):
    """As in the API: `classes` is empty for regression, `columns` is there for tables only, `pictures` for pictures."""

    samples: int
    classes: dict[str, int]
    splits: dict[str, int]
    columns: NotRequired[list[ColumnReport]]
    pictures: NotRequired[Looks]
    skipped: list[Skip]
    skipped_total: int


class Ready(TypedDict):
    type: Literal["result"]
    state: Literal["ready"]
    report: Report
    files: list[str]


class Refused(TypedDict):
    type: Literal["result"]
    state: Literal["rejected"]
    code: str
    reason: str


Result = Ready | Refused


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to be checked: the file, what its member called it, and the folder for what is found in it."""

    task: str
    path: Path
    filename: str
    out: Path
    label_column: str | None
    progress: Progress


@dataclass
class Skips:
    """Collects what is left out; lists the first of them and counts all."""

    listed: list[Skip] = field(default_factory=list)
    total: int = 0

    def add(self, file: str, reason: str) -> None:
        self.total += 1
        if len(self.listed) < MAX_SKIPPED_LISTED:
            self.listed.append({"file": clean(file, 300), "reason": reason})

    def extend(self, other: "Skips") -> None:
        self.listed = [*self.listed, *other.listed][:MAX_SKIPPED_LISTED]
        self.total += other.total
