"""Does a model fit a board? Arithmetic over a profile, nothing measured."""

from dataclasses import dataclass
from typing import NamedTuple

from hardware.targets.profiles import MIB, Kind, Target

# Python with numpy, LiteRT and Pillow, a small picture answered: 48 to 54 MB resident measured on x86-64. The
# rest is room for decoding a photo.
RUNNER_BYTES = 96 * MIB
# The file as it is read, and the copy that LiteRT packs for its kernels.
COPIES_OF_WEIGHTS = 2


@dataclass(frozen=True)
class Need:
    """What one model file takes: its size, and its activations at their peak."""

    model_bytes: int
    arena_bytes: int

    @property
    def ram_bytes(self) -> int:
        return RUNNER_BYTES + COPIES_OF_WEIGHTS * self.model_bytes + self.arena_bytes


class Shortage(NamedTuple):
    """What a model needs and a board does not have, as a clause, and what would help; both empty when it has enough."""

    what: str = ""
    remedy: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.remedy}." if self.what else ""


def why_not(target: Target, need: Need) -> str:
    """A sentence saying why the model cannot run on `target` as `run.py` does; empty when it can."""
    return shortage(target, need).sentence


def shortage(target: Target, need: Need) -> Shortage:
    """What the model lacks on `target` to run there as `run.py` does.

    Of other kinds than Linux it says nothing: there these files are for a computer, and the kind's own are judged by
    `jobs.engine.export.kinds`.
    """
    if target.kind is not Kind.LINUX:
        return Shortage()
    if need.ram_bytes > target.ram_free_bytes:
        return Shortage(
            f"The model needs about {_size(need.ram_bytes)} of memory to run and {target.title} has "
            f"{_size(target.ram_free_bytes)} free",
            "train a smaller one (less width, or a smaller image size)",
        )
    if need.model_bytes > target.flash_bytes:
        return Shortage(
            f"The model is {_size(need.model_bytes)} large and {target.title} has "
            f"{_size(target.flash_bytes)} of storage for it",
            "train a smaller one",
        )
    return Shortage()


def _size(count: int) -> str:
    return f"{count / MIB:,.0f} MiB"
