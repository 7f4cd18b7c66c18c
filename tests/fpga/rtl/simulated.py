"""The engine's Verilog held against the reference: outputs bit for bit, cycles as predicted."""

import functools

from hardware.fpga.engine import Engine
from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.program import compiled
from hardware.fpga.reference import run
from hardware.fpga.simulator import Simulator, build
from tests.fpga.kept import CACHE, alone


def engine_of(lanes: int) -> Engine:
    """Large enough for the nets of these tests, whatever the lanes."""
    return Engine(
        lanes=lanes, weight_words=1 << 16, constant_words=4096, table_words=8192, activation_words=1 << 16
    )


@functools.cache
def simulator(engine: Engine) -> Simulator:
    """One for all tests of a run: every net is loaded into the same circuit, one after the other."""
    with alone("engines"):
        program = build(engine, CACHE)
    return Simulator(program)


def assert_circuit_equals(graph: Graph, vectors: Int8s, lanes: int, wanted: Int8s | None = None) -> int:
    """`wanted`: the engine's outputs, if they are known. The cycles of a vector."""
    engine = engine_of(lanes)
    image = compiled(graph, engine)
    circuit = simulator(engine)
    circuit.load(image)
    found, cycles = circuit.answers(image, vectors)
    if wanted is None:
        wanted = run(graph, vectors)[graph.output]
    off = int((found != wanted).sum())
    assert off == 0, f"{off} of {wanted.size} differ at {lanes} lanes"
    assert set(cycles) == {image.cycles}
    return image.cycles
