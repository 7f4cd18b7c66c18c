"""The vectors that a board runs to see that it computes as the portal did."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.data import Arrays
from jobs.engine.export import dataless
from jobs.engine.export.measure import Runner
from jobs.engine.export.variants import Exports

VECTORS = 32
# x86-64 and arm64 kernels differed by up to 5 steps of an int8 output, and never in the winning class.
INT8_STEPS = 8
FP32_LIMIT = 1e-4
_DEFAULT_STEP = 1 / 256  # of an int8 softmax
_CANDIDATES = 512  # test samples among which the vectors are looked for


@dataclass(frozen=True)
class Candidate:
    """What one variant says to each possible vector: with the default kernels and with the reference ones."""

    outputs: NDArray[np.float32]
    reference: NDArray[np.float32]
    limit: float


@dataclass(frozen=True)
class Vectors:
    """`inputs` keep their type (pictures are bytes); `outputs` are the default kernels', by variant, and may be off by
    `tolerance` of that variant. `note` says where the inputs come from when they are no test samples.
    """

    inputs: NDArray[Any]
    outputs: dict[str, NDArray[np.float32]]
    tolerance: dict[str, float]
    note: str = ""


def limit_of(variant: str, outputs: NDArray[np.float32], step: float | None) -> float:
    """How far a board may be off: 8 steps of int8, 1e-4 of fp32 (times the largest output above 1)."""
    if variant == "fp32":
        return FP32_LIMIT * max(1.0, float(np.abs(outputs).max(initial=0)))
    if step is None:
        # The int8 core ends before a float rescaling: its range is about that of the answers, in 255 steps.
        span = float(outputs.max() - outputs.min()) if outputs.shape[1] == 1 else 255 * _DEFAULT_STEP
        step = span / 255
    return max(FP32_LIMIT, INT8_STEPS * step)


def choose(candidates: dict[str, Candidate], y: NDArray[Any], count: int = VECTORS) -> NDArray[np.int64]:
    """Numbers of up to `count` vectors that any right board passes, spread over the targets `y`, in order.

    First come those whose winner leads by more than twice the limit in every variant and on which both kinds
    of kernels agree within half the limit; the rest fills up by lead when there are too few.
    """
    quality = np.min([_quality(found) for found in candidates.values()], axis=0)
    order = np.argsort(-quality, kind="stable")
    good = [int(number) for number in order if quality[number] > 1]
    spread = _one_of_each_in_turn(good, y)
    rest = [int(number) for number in order if quality[number] <= 1]
    return np.sort(np.array([*spread, *rest][:count], dtype=np.int64))


def _quality(found: Candidate) -> NDArray[np.float64]:
    """Above 1 for a vector that serves, larger for a clearer one; negative where the kernels disagree."""
    off = np.abs(found.outputs - found.reference).max(axis=1).astype(np.float64)
    if found.outputs.shape[1] == 1:
        lead = np.full(len(off), 2.5)  # a value has no runner-up
    else:
        ranked = np.sort(found.outputs, axis=1)
        lead = (ranked[:, -1] - ranked[:, -2]).astype(np.float64) / (2 * found.limit)
    return np.where(off <= found.limit / 2, lead, -off)


def _one_of_each_in_turn(numbers: list[int], y: NDArray[Any]) -> list[int]:
    """The same numbers, reordered: the first of every class, then the second of every class, and so on."""
    if not np.issubdtype(np.asarray(y).dtype, np.integer):
        return numbers
    turn: dict[int, int] = {}
    keyed = []
    for place, number in enumerate(numbers):
        label = int(y[number])
        keyed.append((turn.get(label, 0), place, number))
        turn[label] = turn.get(label, 0) + 1
    return [number for _, _, number in sorted(keyed)]


def vectors(arrays: Arrays, exports: Exports) -> Vectors:
    """Those that go into a bundle: of test samples, run by each of its files; drawn by chance where there are none."""
    subjects, measured = dataless.subjects(arrays), dataless.is_measured(arrays)
    count = min(_CANDIDATES, len(subjects))
    x = np.asarray(subjects[:count])
    y = (arrays.test.y if measured else exports.made[exports.default].outputs.argmax(axis=1))[:count]
    candidates = {
        str(variant): Candidate(
            made.outputs[:count],
            Runner(made.content, reference=True)(x),
            limit_of(variant, made.outputs, made.graph.output_step),
        )
        for variant, made in exports.made.items()
    }
    chosen = choose(candidates, y)
    return Vectors(
        x[chosen],
        {name: found.outputs[chosen] for name, found in candidates.items()},
        {name: found.limit for name, found in candidates.items()},
        note="" if measured else dataless.DRAWN,
    )


def write(path: Path, chosen: Vectors) -> dict[str, Any]:
    """Write the vectors; returns the manifest's `selftest`."""
    np.savez_compressed(path, allow_pickle=False, inputs=np.asarray(chosen.inputs), **chosen.outputs)
    told = {"inputs": chosen.note} if chosen.note else {}
    return {"file": path.name, "vectors": len(chosen.inputs), "tolerance": chosen.tolerance, **told}
