"""What TensorFlow, JAX and numpy say when there is no memory left, read: they have no figure but in their texts.

Their classes cannot be named here, in a module that loads none of them.
"""

import errno
import math
import re

_CLASSES = (
    "ResourceExhaustedError",
    "JaxRuntimeError",
    "XlaRuntimeError",
    "InternalError",
    "UnknownError",
    "RuntimeError",
)
_TEXTS = ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating", "bad_alloc", "failed to allocate")
_TENSOR = re.compile(r"OOM when allocating tensor with shape\[([\d,]*)\] and type (\w+)")
_BYTES = re.compile(r"allocat\w+ (\d+) ?(?:bytes|B\b)")
_IN_BRACKETS = re.compile(r"allocat.{0,80}?\((\d+) ?B\)")
_IN_UNITS = re.compile(r"allocat\w+ (\d+\.?\d*) ?([KMGTPE])iB")
_SIZES = {
    "bool": 1, "int8": 1, "uint8": 1, "half": 2, "bfloat16": 2, "int16": 2, "uint16": 2, "float": 4, "int32": 4,
    "uint32": 4, "double": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    name, text = type(error).__name__, str(error)
    return name == "ResourceExhaustedError" or (name in _CLASSES and any(found in text for found in _TEXTS))


def is_on_processor(error: BaseException) -> bool:
    """Whether it was the processor's memory, also where there is a GPU."""
    return isinstance(error, MemoryError | OSError) or "device:CPU:" in str(error)


def asked_bytes(error: BaseException) -> int | None:
    """How much the allocation that failed was for; None where the exception does not say.

    TensorFlow says "OOM when allocating tensor with shape[256,128,64] and type float on /job:…"; JAX "Out of memory
    allocating 17179869184 bytes."; XLA's allocators "Failed to allocate request for 16.00GiB (17179869184B) on device
    ordinal 0" or "Out of memory while trying to allocate 4.00GiB"; numpy "Unable to allocate 128. TiB for an array".
    """
    text = str(error)
    if (tensor := _TENSOR.search(text)) and tensor[2] in _SIZES:
        return math.prod(int(side) for side in tensor[1].split(",") if side) * _SIZES[tensor[2]]
    if exact := _BYTES.search(text) or _IN_BRACKETS.search(text):
        return int(exact[1])
    if rounded := _IN_UNITS.search(text):
        return round(float(rounded[1]) * (1 << 10 * ("KMGTPE".index(rounded[2]) + 1)))
    return None
