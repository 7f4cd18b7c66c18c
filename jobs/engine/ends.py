"""How an engine task ends: a stable reason, and a sentence that tells the member what to do."""

import errno
from dataclasses import dataclass
from enum import StrEnum

from jobs.engine import exhausted
from jobs.engine.recipes.sizing.fitting import UnfitError
from jobs.engine.spec import memory_to_ask
from portal.kit.errors import UserError

MIB = 1024 * 1024


class Reason(StrEnum):
    """The `reason` of a done event."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    OUT_OF_MEMORY = "out_of_memory"
    NAN_LOSS = "nan_loss"
    BAD_DATA = "bad_data"
    DISK_FULL = "disk_full"
    CRASHED = "crashed"
    REFUSED = "refused"


class BadDataError(UserError):
    """The dataset or the parameters do not allow this training; the sentence says what to change."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_data", detail)


class NanLossError(Exception):
    """The loss is no longer a number."""


class InterruptedByRequestError(Exception):
    """The supervisor asked for a checkpoint and an end; whatever can be saved has been."""


class UnprovedError(Exception):
    """What was built does not compute what the model does, or it could not be found out; the sentence says where."""


class NoGpuError(Exception):
    """The task was given a GPU, and the backend finds none."""

    def __init__(self) -> None:
        super().__init__(
            "The node has a GPU for this training, but its TensorFlow or JAX does not find it. A steward has to look "
            "at the node's driver and its Python packages; until then run the training on the CPU."
        )


@dataclass(frozen=True, order=True)
class GpuUse:
    """Memory of one GPU as its backend counts it; `limit_bytes` 0 where there is no limit of our own."""

    peak_bytes: int
    bytes_in_use: int
    limit_bytes: int = 0


@dataclass(frozen=True)
class End:
    """What a done event says."""

    reason: Reason
    message: str


DISK_FULL = (
    "The disk of the node is full, so that nothing more could be written. The steward has to free space."
)
INTERRUPTED = "Interrupted; the training goes on from its last checkpoint."
CRASHED = "The job's program failed unexpectedly; its log says where."
_FULL = {errno.ENOSPC, errno.EDQUOT}


def end_of(error: BaseException, gpu: GpuUse | None = None) -> End | None:
    """The named end that an exception means; None when it has no name and is a crash. `gpu` is what the training had
    of a GPU when it was raised.
    """
    if isinstance(error, InterruptedByRequestError):
        return End(Reason.INTERRUPTED, INTERRUPTED)
    if isinstance(error, NanLossError | NoGpuError | UnprovedError):
        return End(Reason.NAN_LOSS if isinstance(error, NanLossError) else Reason.CRASHED, str(error))
    if isinstance(error, UnfitError | UserError):
        return End(Reason.BAD_DATA if isinstance(error, UserError) else Reason.REFUSED, str(error))
    if exhausted.is_out_of_memory(error):
        return End(Reason.OUT_OF_MEMORY, _out_of_memory(error, gpu))
    if _is_disk_full(error):
        return End(Reason.DISK_FULL, DISK_FULL)
    return None


def _out_of_memory(error: BaseException, gpu: GpuUse | None) -> str:
    """What it had and wanted, as far as that is known, and what to do."""
    asked, smaller = exhausted.asked_bytes(error), "a smaller batch size, picture size or width"
    if asked is None:
        return f"The training ran out of memory. Choose {smaller}, or ask for more memory."
    if gpu is None or exhausted.is_on_processor(error):
        return (
            f"The training ran out of memory: it asked for {_mb(asked)} at once. "
            f"Choose {smaller}, or ask for more memory."
        )
    limit = f", and its limit is {_mb(gpu.limit_bytes)}" if gpu.limit_bytes else ""
    return (
        f"The training ran out of the GPU's memory: it had {_mb(gpu.bytes_in_use)} and wanted {_mb(asked)} more"
        f"{limit}. "
        f"Ask for at least {memory_to_ask(gpu.bytes_in_use + asked):,} MB, or choose {smaller}."
    )


def _mb(size: int) -> str:
    return f"{-(-size // MIB):,} MB"


def _is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _FULL
