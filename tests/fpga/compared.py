"""The reference held against LiteRT's own reference kernels, in every tensor; and the passes against the reference."""

import numpy as np

from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.memory import MemoryMap
from hardware.fpga.plan import PASSES, planned
from hardware.fpga.reference import run, run_in_memory
from jobs.engine.export.fpga.litert import LiteRT

__all__ = ["WORD", "LiteRT", "assert_equal", "assert_memory_holds", "assert_passes_keep", "steps"]

WORD = 8  # bytes of a word in the engine's memory


def steps(shape: tuple[int, ...], count: int, seed: int) -> Int8s:
    """Random int8 vectors; the first is the lowest, the second the highest value throughout."""
    vectors = np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)
    for place, value in enumerate((-128, 127)[:count]):
        vectors[place] = value
    return vectors


def assert_equal(graph: Graph, ours: dict[int, Int8s], theirs: dict[int, Int8s]) -> None:
    """Every tensor, named where they differ."""
    for number, wanted in theirs.items():
        value = graph.values[number]
        off = int((ours[number] != wanted).sum())
        assert off == 0, f"{value.name}: {off} of {wanted.size} differ"


def assert_passes_keep(graph: Graph, vectors: Int8s, wanted: Int8s) -> Graph:
    """Each pass after the other leaves the engine's output what it was; so does running in the memory it was given."""
    lowered = graph
    for lower in PASSES:
        lowered = lower(lowered)
        assert np.array_equal(run(lowered, vectors)[lowered.output], wanted), lower.__name__
    plan = planned(graph, word=WORD)
    assert_memory_holds(plan.graph, plan.memory, vectors[:2], wanted[:2])
    return plan.graph


def assert_memory_holds(graph: Graph, memory: MemoryMap, vectors: Int8s, wanted: Int8s) -> None:
    for vector, answer in zip(vectors, wanted, strict=True):
        assert np.array_equal(run_in_memory(graph, memory, vector), answer)
