"""An estimate held against a board: does it fit, how sure is that, how long will an answer take?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hardware.fpga.engine import Memory
from hardware.targets.profiles import Kind, Target, Variant
from hardware.targets.speeds import latency_s
from jobs.engine.export import fit as on_linux
from jobs.engine.export.microcontroller import fit as on_micro
from jobs.engine.recipes.sizing import fpga
from jobs.engine.recipes.sizing.estimate import (
    ARENA_SLACK,
    ARENA_TOLERANCE,
    BYTES_SLACK,
    BYTES_TOLERANCE,
    Estimate,
)

EXACT, SURE = 0.0, 1.0


class Fits(StrEnum):
    """`close`: within the tolerance of the estimate, so that only building the model tells."""

    FITS = "fits"
    CLOSE = "close"
    TOO_LARGE = "too-large"


@dataclass(frozen=True)
class OnBoard:
    """`model_bytes` of `holds_bytes` is what the model takes of the board's storage, `ram_bytes` what it takes of the
    `ram_free_bytes` of its profile; on an FPGA of the engine's memories of weights and activations. `reason`: why it
    can't.

    `latency_s` is None where no speed of the board is known.
    """

    target: Target
    fits: Fits
    reason: str
    model_bytes: int
    holds_bytes: int
    ram_bytes: int
    latency_s: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the API and the pages."""
        return {
            "target": self.target.name,
            "fits": str(self.fits),
            "reason": self.reason,
            "model_bytes": self.model_bytes,
            "flash_bytes": self.holds_bytes,
            "ram_bytes": self.ram_bytes,
            "ram_free_bytes": self.target.ram_free_bytes,
            "latency_ms": None if self.latency_s is None else round(1000 * self.latency_s, 3),
        }


def on_board(estimate: Estimate, target: Target, *, factor: float = 1.0) -> OnBoard:
    """`factor` is by how much real boards of this kind were slower than estimated."""
    least = _judged(estimate, target, -SURE)[0].sentence
    shortage, ram_bytes = _judged(estimate, target, EXACT)
    fits = Fits.TOO_LARGE if least else Fits.FITS if surely_fits(estimate, target) else Fits.CLOSE
    return OnBoard(
        target,
        fits,
        least and (shortage.sentence or least),
        _model_bytes(estimate, target),
        _holds_bytes(target),
        ram_bytes,
        _latency_s(estimate, target, factor),
    )


def surely_fits(estimate: Estimate, target: Target, *, margin: float = SURE) -> bool:
    """Whether it fits even if the estimate is too low by `margin` times its tolerance."""
    return not limit(estimate, target, margin=margin)


def limit(estimate: Estimate, target: Target, *, margin: float = SURE) -> str:
    """What it needs and the board does not have, as a clause; "" if it surely fits. `margin` as in `surely_fits`."""
    return _judged(estimate, target, margin)[0].what


def _judged(estimate: Estimate, target: Target, margin: float) -> tuple[on_linux.Shortage, int]:
    """What the board lacks, and the memory it takes, off by `margin` times the tolerance."""
    if target.kind is Kind.FPGA:
        taken = fpga.taken_bytes(target, estimate.net, Memory.ACTIVATIONS)
        return fpga.shortage(target, estimate.net, margin=margin), taken
    model = _off(_model_bytes(estimate, target), margin, BYTES_TOLERANCE, BYTES_SLACK)
    if target.kind is Kind.MICROCONTROLLER:
        arena = _off(estimate.arena_bytes, margin, ARENA_TOLERANCE, ARENA_SLACK)
        reserved = on_micro.reserved_arena(arena, estimate.scratch[target.kernels])
        return on_micro.shortage(target, model_bytes=model, arena_bytes=reserved), reserved
    need = on_linux.Need(model, _off(estimate.litert_bytes, margin, ARENA_TOLERANCE, ARENA_SLACK))
    return on_linux.shortage(target, need), need.ram_bytes


def _off(size: int, margin: float, tolerance: float, slack: int) -> int:
    return max(0, round(size + margin * (size * tolerance + slack)))


def _model_bytes(estimate: Estimate, target: Target) -> int:
    """Of the smallest file that the target takes; on an FPGA of the weights as its engine reads them."""
    if target.kind is Kind.FPGA:
        return fpga.taken_bytes(target, estimate.net, Memory.WEIGHTS)
    return estimate.int8_bytes if Variant.INT8 in target.variants else estimate.fp32_bytes


def _holds_bytes(target: Target) -> int:
    if target.kind is not Kind.FPGA:
        return target.flash_bytes
    engine = fpga.engine_of(target)
    return engine.weight_words * engine.word_bytes(Memory.WEIGHTS)


def _latency_s(estimate: Estimate, target: Target, factor: float) -> float | None:
    if target.kind is Kind.FPGA:
        return fpga.latency_s(target, estimate.net)
    return latency_s(target, estimate.macs, factor=factor)
