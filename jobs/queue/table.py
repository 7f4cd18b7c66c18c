"""Open jobs as columns: tens of thousands of them are kept and put together without a loop over them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.queue.open_jobs import Row
from jobs.queue.places import PLACES
from jobs.scheduler.snapshot import NOWHERE, Bools, Floats, Ints

COMBINATIONS = 1 << len(PLACES)  # of the places that a job may use


class Numbers:
    """Dense numbers for names, given as they come and kept."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._of: dict[str, int] = {}

    def of(self, name: str) -> int:
        if name not in self._of:
            self._of[name] = len(self.names)
            self.names.append(name)
        return self._of[name]


@dataclass(frozen=True)
class Table:
    """The columns of `open_jobs.Row`. owner, recipe: by their `Numbers`; classes: those it may use, as `bits`; unit: of
    a job that others may come beside, the number of its accelerator within the pool.
    """

    ids: NDArray[np.object_]
    owner: Ints
    recipe: Ints
    classes: Ints
    submitted_at: Floats
    gang: Ints
    memory_mb: Ints
    size: Floats
    macs: Floats
    ran_s: Floats
    work_s: Floats
    pace_s: Floats
    checkpoint_s: Floats
    fixed: Bools
    leaving: Bools
    boost: Floats
    pool: Ints
    since: Floats
    unit: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, rows: Bools) -> "Table":
        return Table(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def plus(self, other: "Table") -> "Table":
        if not len(other) or not len(self):
            return self if len(self) else other
        return Table(
            **{
                each.name: np.concatenate([getattr(self, each.name), getattr(other, each.name)])
                for each in fields(self)
            }
        )


def table(rows: Sequence[Row], owners: Numbers, recipes: Numbers, place: Mapping[str, int]) -> Table:
    """`place` tells the number of each accelerator within its pool."""

    def column(of: Callable[[Row], Any], kind: type[Any]) -> Any:
        return np.fromiter((of(row) for row in rows), dtype=kind, count=len(rows))

    return Table(
        ids=column(lambda row: row.pk, object),
        owner=column(lambda row: owners.of(row.owner), np.int64),
        recipe=column(lambda row: recipes.of(row.recipe), np.int64),
        classes=column(lambda row: bits(row.classes), np.int64),
        submitted_at=column(lambda row: row.submitted_at, np.float64),
        gang=column(lambda row: row.gang, np.int64),
        memory_mb=column(lambda row: row.memory_mb, np.int64),
        size=column(lambda row: row.size, np.float64),
        macs=column(lambda row: row.macs, np.float64),
        ran_s=column(lambda row: row.ran_s, np.float64),
        work_s=column(lambda row: row.work_s, np.float64),
        pace_s=column(lambda row: row.pace_s, np.float64),
        checkpoint_s=column(lambda row: row.checkpoint_s, np.float64),
        fixed=column(lambda row: row.fixed, np.bool_),
        leaving=column(lambda row: row.leaving, np.bool_),
        boost=column(lambda row: row.boost, np.float64),
        pool=column(lambda row: row.pool, np.int64),
        since=column(lambda row: row.since, np.float64),
        unit=column(lambda row: _unit(row, place), np.int64),
    )


def bits(classes: Collection[str]) -> int:
    """Places as a number below COMBINATIONS."""
    return sum(1 << place for place, each in enumerate(PLACES) if each in classes)


def from_bits(number: int) -> frozenset[str]:
    return frozenset(each for place, each in enumerate(PLACES) if number >> place & 1)


def _unit(row: Row, place: Mapping[str, int]) -> int:
    """Where others may come beside it: its memory is held to a limit, and it runs on one accelerator."""
    return place[row.units[0]] if row.memory_mb and len(row.units) == 1 else NOWHERE


class RowIndex:
    """Where each job of a table is. Each row has a number of its own and later ones have larger numbers, so that what
    is taken out and what is added costs nothing for the others.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._number: dict[str, int] = {}
        self._numbers: Ints = np.zeros(0, dtype=np.int64)
        self._next = 0
        self.add(ids)

    def add(self, ids: Sequence[str]) -> None:
        """Rows were put behind the others."""
        numbers = range(self._next, self._next + len(ids))
        self._number.update(zip(ids, numbers, strict=True))
        self._numbers = np.concatenate([self._numbers, np.array(numbers, dtype=np.int64)])
        self._next += len(ids)

    def rows(self, jobs: Collection[str]) -> dict[str, int]:
        """The row of each of these jobs that has one."""
        numbers = {job: self._number[job] for job in jobs if job in self._number}
        return dict(
            zip(numbers, np.searchsorted(self._numbers, list(numbers.values())).tolist(), strict=True)
        )

    def take_out(self, jobs: Collection[str]) -> Bools:
        """Forget the rows of these jobs, where they have any; which rows of the table are left."""
        gone = [self._number.pop(job) for job in jobs if job in self._number]
        left = np.ones(len(self._numbers), dtype=np.bool_)
        left[np.searchsorted(self._numbers, gone)] = False
        self._numbers = self._numbers[left]
        return left
