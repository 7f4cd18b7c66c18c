"""The links of the chain of proofs, each a function that compares or raises: proof.py says in which order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hardware.fpga import simulator, unpacked
from hardware.fpga.boards import Board
from hardware.fpga.comparison import Vectors, compare
from hardware.fpga.engine import Engine
from hardware.fpga.flow import Built, FlowError
from hardware.fpga.image import Image
from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.reference import run
from hardware.fpga.shell import Circuit
from hardware.fpga.simulation import netlist
from hardware.fpga.simulation.netlist import Line, Wired
from hardware.fpga.simulator import Simulator
from hardware.fpga.tools import Limits
from hardware.fpga.verilator import SimulationError
from hardware.fpga.wire.link import Client, LinkError
from portal.kit import clock

_TOGETHER = 64  # vectors of the reference at once
_ON_THE_LINE = 64  # bytes of an input that a simulated netlist gets over its serial line
_PATIENCE_S = 1800.0  # a netlist is some hundred times slower than a board


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One link of the chain.

    `name` is one of proof.STAGES; `vectors`: how many were compared (0 for timing); `mismatches` is 0 in a Proved;
    `detail` a sentence.
    """

    name: str
    vectors: int
    mismatches: int
    seconds: float
    detail: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the links share."""

    board: Board
    vectors: Vectors
    simulations: Path
    limits: Limits
    cancelled: Callable[[], bool]


def timed(name: str, work: Callable[[], tuple[int, str]]) -> Stage:
    """The stage that `work` was: it returns how many vectors it compared, and the sentence. FlowError of that stage
    for a simulation that can't be made, or doesn't end.
    """
    began = clock.monotonic()
    try:
        count, detail = work()
    except SimulationError as error:
        raise FlowError(name, str(error)) from error
    seconds = round(clock.monotonic() - began, 3)
    return Stage(name=name, vectors=count, mismatches=0, seconds=seconds, detail=detail)


def reference(task: Task, graph: Graph) -> Stage:
    """The integer reference against LiteRT's answers."""

    def work() -> tuple[int, str]:
        vectors = task.vectors
        count = len(vectors.inputs)
        for at in range(0, count, _TOGETHER):
            vectors.told("reference", at, count)
            part = vectors.inputs[at : at + _TOGETHER]
            found: Int8s = run(graph, part)[graph.output]
            for number, answer in enumerate(found, start=at):
                if not vectors.same(number, answer):
                    raise vectors.mismatch("reference", (number, answer))
        return count, f"The integer reference answers {count:,} vectors as LiteRT's reference kernels do."

    return timed("reference", work)


def rtl(task: Task, engine: Engine, image: Image) -> Stage:
    """The engine's Verilog against the same answers, in exactly the cycles that were predicted."""

    def work() -> tuple[int, str]:
        task.vectors.progress("rtl", f"Verilator, {engine.lanes} lanes")
        program = simulator.build(engine, task.simulations, limits=task.limits, cancelled=task.cancelled)
        count = len(task.vectors.inputs)
        compare("rtl", lambda: Simulator(program), image, task.vectors, np.arange(count))
        return (
            count,
            f"The Verilog answers {count:,} vectors alike, each in the {image.cycles:,} cycles predicted.",
        )

    return timed("rtl", work)


def wired(task: Task, name: str, routed: Path, circuit: Circuit, image: Image, count: int) -> Stage:
    """The netlist that was routed, on a sample of vectors: over the engine's bus, and one over the serial line.

    `name` is "netlist", whose image is loaded at run time, or "contained", whose memories begin with it (`contained`
    looks at its bitstream too). `routed`: the netlist.json of that circuit.
    """
    return timed(name, lambda: _wired(task, name, routed, circuit, image, count))


def contained(task: Task, built: Built, circuit: Circuit, image: Image, count: int) -> Stage:
    """The circuit whose memories begin with the net: its netlist, as `wired`, and what lies in its bitstream."""

    def work() -> tuple[int, str]:
        compared, said = _wired(task, "contained", built.netlist, circuit, image, count)
        if task.board.family not in unpacked.FAMILIES:
            return compared, said
        task.vectors.progress("contained", "the bitstream, taken apart")
        blocks = unpacked.block_rams(built, limits=task.limits, cancelled=task.cancelled)
        return compared, f"{said} Taken apart, the bitstream has the same in its {blocks} block RAMs."

    return timed("contained", work)


def _wired(
    task: Task, name: str, routed: Path, circuit: Circuit, image: Image, count: int
) -> tuple[int, str]:
    board, vectors = task.board, task.vectors
    vectors.progress(name, "Verilator, from the netlist that was routed")
    program = netlist.build(routed, board, task.simulations, limits=task.limits, cancelled=task.cancelled)
    numbers, loads = vectors.sample(count), name == "netlist"

    def over_the_line(simulated: Wired) -> None:
        _over_the_line(task, name, simulated, circuit, image, int(numbers[-1]))

    compare(name, lambda: Wired(program, board), image, vectors, numbers, loads=loads, then=over_the_line)
    loaded = "loaded at run time" if loads else "in the block RAMs from the start"
    return len(numbers), (
        f"The netlist, with the net {loaded}, answers {len(numbers):,} vectors alike; the last one again over the "
        "serial line, whose first bytes came over it too, the others over the engine's bus."
    )


def _over_the_line(
    task: Task, name: str, simulated: Wired, circuit: Circuit, image: Image, number: int
) -> None:
    """Identity, write, run and read as wire/host.py asks for them."""
    task.vectors.progress(name, "over the serial line")
    packed = image.input.packed(task.vectors.inputs[number])
    simulated.write(image.input.address, bytes(min(_ON_THE_LINE, len(packed))) + packed[_ON_THE_LINE:])
    simulated.attach(line=True)
    client = Client(Line(simulated), patience=_PATIENCE_S)
    try:
        said = client.identify().digest
        client.write(image.input.address, packed[:_ON_THE_LINE])
        cycles = client.run(2 * image.cycles, seconds=_PATIENCE_S)
        content = client.read(image.output.address, image.output.size)
    except LinkError as error:
        raise SimulationError(f"The netlist's serial line fails: {error}") from error
    if said != circuit.digest.hex() or cycles != image.cycles:
        raise SimulationError(
            f"The netlist says that it is {said[:8]} and took {cycles:,} cycles; it is {circuit.digest.hex()[:8]} and "
            f"{image.cycles:,} were predicted."
        )
    found = image.output.unpacked(content)
    if not task.vectors.same(number, found):
        raise task.vectors.mismatch(name, (number, np.asarray(found)))


def timing(builds: list[Built]) -> Stage:
    """That the board's clock is allowed by what was routed. FlowError where it is not."""

    def work() -> tuple[int, str]:
        reports = [built.report for built in builds]
        slowest = min(reports, key=lambda report: report.fmax_hz)
        margin = slowest.fmax_hz / slowest.wanted_hz - 1
        said = f"routed {slowest.fmax_hz / 1e6:.1f} MHz, needed {slowest.wanted_hz / 1e6:g} MHz"
        if not slowest.met:
            raise FlowError("timing", f"Timing is not met: {said}. Try a smaller engine.")
        return 0, f"Timing is met with a margin of {margin:.0%}: {said}."

    return timed("timing", work)
