"""What the scheduler sees and what it decides: columns of plain numbers, no rows of a database, no clock."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

KINDS: Final = ("cpu", "gpu", "tpu", "fpga")
ANY: Final = -1


def kind_code(kind: str) -> int:
    """The column code of an accelerator kind; `any` is -1. ValueError for what is none."""
    return ANY if kind == "any" else KINDS.index(kind)


@dataclass(frozen=True)
class Jobs:
    """Queued jobs, one a row, in any order.

    ids: as the database names them; owner: dense member numbers; submitted_at: seconds since the epoch;
    kind: accelerator code (-1 any); count: accelerators needed, all on one node; memory_bytes: asked for, 0 unknown.
    """

    ids: tuple[str, ...]
    owner: NDArray[np.int64]
    submitted_at: NDArray[np.float64]
    kind: NDArray[np.int8]
    count: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]


@dataclass(frozen=True)
class Slots:
    """Accelerators that take work, one a row.

    node: dense number; kind: accelerator code; memory_bytes: 0 unknown; speed: relative; free: nothing runs on it.
    """

    ids: tuple[str, ...]
    node: NDArray[np.int64]
    kind: NDArray[np.int8]
    memory_bytes: NDArray[np.int64]
    speed: NDArray[np.float64]
    free: NDArray[np.bool_]


@dataclass(frozen=True)
class Owners:
    """Members by their dense number: how many more jobs each may have running."""

    allowance: NDArray[np.int64]


@dataclass(frozen=True)
class Snapshot:
    """Everything a pass looks at."""

    now: float
    jobs: Jobs
    slots: Slots
    owners: Owners


@dataclass(frozen=True)
class Placement:
    """Start this job on these accelerators, which are on one node."""

    job: str
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a pass decided, in the order in which it is to be applied."""

    placements: tuple[Placement, ...] = ()
    blockers: dict[str, str] = field(default_factory=dict)
