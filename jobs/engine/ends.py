"""How an engine task ends: a stable reason, and a sentence that tells the member what to do."""

import errno
from dataclasses import dataclass
from enum import StrEnum

from portal.kit.errors import UserError


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


@dataclass(frozen=True)
class End:
    """What a done event says."""

    reason: Reason
    message: str


OUT_OF_MEMORY = (
    "The training ran out of memory. Use a smaller batch size, image size or width, or ask for more memory."
)
DISK_FULL = (
    "The disk of the node is full, so that nothing more could be written. The steward has to free space."
)
INTERRUPTED = "Interrupted; the training goes on from its last checkpoint."
CRASHED = "The training program failed unexpectedly; its log says where."
_FULL = {errno.ENOSPC, errno.EDQUOT}
# JAX and TensorFlow report an exhausted allocator by classes of their own, which a module free of both cannot name.
_EXHAUSTED = ("ResourceExhaustedError", "XlaRuntimeError", "InternalError", "UnknownError", "RuntimeError")
_EXHAUSTED_TEXTS = (
    "RESOURCE_EXHAUSTED",
    "out of memory",
    "OOM when allocating",
    "bad_alloc",
    "failed to allocate",
)


def end_of(error: BaseException) -> End | None:
    """The named end that an exception means; None when it has no name and is a crash."""
    if isinstance(error, InterruptedByRequestError):
        return End(Reason.INTERRUPTED, INTERRUPTED)
    if isinstance(error, NanLossError):
        return End(Reason.NAN_LOSS, str(error))
    if isinstance(error, UserError):
        return End(Reason.BAD_DATA, error.detail)
    if _is_out_of_memory(error):
        return End(Reason.OUT_OF_MEMORY, OUT_OF_MEMORY)
    if _is_disk_full(error):
        return End(Reason.DISK_FULL, DISK_FULL)
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    name, text = type(error).__name__, str(error)
    return name == "ResourceExhaustedError" or (
        name in _EXHAUSTED and any(t in text for t in _EXHAUSTED_TEXTS)
    )


def _is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _FULL
