"""Does a model fit a microcontroller? Arithmetic over its profile and what was measured."""

from hardware.targets.profiles import KIB, Target
from jobs.engine.export.fit import Shortage

# Flash for everything but the model: TensorFlow Lite Micro with a handful of kernels, the member's own program and the
# board's libraries. An allowance of ours, not a measurement.
PROGRAM_BYTES = 192 * KIB
# The self-test may take this part of a board's flash.
SELFTEST_PART = 16


def reserved_arena(measured: int, scratch: int) -> int:
    """Bytes to reserve for an arena that was measured with the reference kernels, in whole KiB: with `scratch`, by
    which the peak grows with the board's own kernels, and an eighth more.
    """
    wanted = measured + scratch
    return -(-(wanted + wanted // 8) // KIB) * KIB


def why_not(target: Target, *, model_bytes: int, arena_bytes: int) -> str:
    """A sentence saying why the model cannot run there; empty when it can."""
    return shortage(target, model_bytes=model_bytes, arena_bytes=arena_bytes).sentence


def shortage(target: Target, *, model_bytes: int, arena_bytes: int) -> Shortage:
    """What the model lacks there."""
    if arena_bytes > target.ram_free_bytes:
        return Shortage(
            f"The model needs {_kib(arena_bytes)} of memory for its activations and {target.title} has about "
            f"{_kib(target.ram_free_bytes)} free",
            "train a smaller one (less width, or a smaller image size)",
        )
    if model_bytes + PROGRAM_BYTES > target.flash_bytes:
        return Shortage(
            f"The model takes {_kib(model_bytes)} of flash, the program around it about {_kib(PROGRAM_BYTES)}, and "
            f"{target.title} has {_kib(target.flash_bytes)}",
            "train a smaller one (less width)",
        )
    return Shortage()


def _kib(count: int) -> str:
    return f"{count / KIB:,.0f} KiB"
