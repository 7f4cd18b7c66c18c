"""From a static int8 .tflite to a bitstream that was proved, vector by vector, to compute what the file computes.

    proved = prove(content, board=BOARDS["ulx3s-85f"], vectors=x, expected=y, folder=folder, cache=cache)
    proved.built.bitstream, proved.image, proved.stages, proved.seconds

The chain, in its order (chain.py): LiteRT's reference kernels = the integer reference = the Verilog = the netlist that
was routed, with the net loaded at run time and, where it is asked for, in the block RAMs from the start; timing.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hardware.fpga import chain, flow
from hardware.fpga.boards import Board
from hardware.fpga.chain import Stage, Task
from hardware.fpga.comparison import Vectors
from hardware.fpga.energy import Energy, estimate
from hardware.fpga.engine import LANES, Engine
from hardware.fpga.errors import FitError
from hardware.fpga.flow import Built, Progress
from hardware.fpga.frontend import read_graph
from hardware.fpga.image import Image, Step
from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.program import compiled
from hardware.fpga.shell import Circuit, circuit
from hardware.fpga.tools import Limits

__all__ = ("STAGES", "Energy", "LayerCycles", "Proved", "Stage", "prove", "sizes")

STAGES = ("reference", "rtl", "netlist", "contained", "timing")


@dataclass(frozen=True, kw_only=True)
class LayerCycles:
    """A layer of the engine: its predicted cycles, and the multiplications with an addition that it needs."""

    operator: str
    name: str
    cycles: int
    multiply_accumulates: int


@dataclass(frozen=True, kw_only=True)
class Proved:
    """A bitstream, its circuit and the net's image, and what was proved of them. `engine` has fewer lanes than the
    board's where that many could not be routed. `contained`: the bitstream that holds the net, where it was asked for.
    """

    board: Board
    engine: Engine
    circuit: Circuit
    image: Image
    built: Built
    stages: tuple[Stage, ...]
    layers: tuple[LayerCycles, ...]
    cycles: int
    energy: Energy
    contained: Built | None = None

    @property
    def seconds(self) -> float:
        """Of one inference, at the clock that the board gives."""
        return self.cycles / self.board.core_hz

    def as_json(self) -> dict[str, Any]:
        """What a bundle's manifest says under "fpga"."""
        return {
            "board": self.board.name,
            "digest": self.circuit.digest.hex(),
            "engine": asdict(self.engine),
            "needs": self.image.needs,
            "stages": [asdict(stage) for stage in self.stages],
            "layers": [asdict(layer) for layer in self.layers],
            "cycles": self.cycles,
            "clock_hz": self.board.core_hz,
            "seconds": self.seconds,
            "energy": asdict(self.energy),
            "report": self.built.report.as_json(),
            "contained": None if self.contained is None else self.contained.report.as_json(),
        }


def prove(
    content: bytes,
    *,
    board: Board,
    vectors: Int8s,
    expected: Int8s,
    folder: Path,
    cache: Path | None = None,
    contained: bool = False,
    netlist_vectors: int = 8,
    limits: Limits | None = None,
    progress: Progress = lambda _stage, _detail: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Proved:
    """The whole chain for one net and board.

    `content`: a static int8 .tflite. `vectors` (n, …): int8 inputs of its int8 core; `expected` (n, …): what LiteRT's
    BUILTIN_REF answered, before the host's softmax. `folder` (made if need be) keeps sources, logs and reports, and the
    vector of a mismatch. `cache`: bitstreams and simulations by the hash of what they were made from; a bitstream
    doesn't depend on the net, so a board that is in it is a prepared one. `netlist_vectors`: how many of the vectors
    the netlist is simulated with. `progress` is told a stage's name, of STAGES or flow.py, and what is being done.

    UnsupportedError, FitError, FlowError, MismatchError, CancelledError; LookupError for a tool that is not installed;
    ValueError for no vectors, or others than there are answers, and for `contained` on a board that holds no net.
    """
    if contained and not board.holds_nets:
        raise ValueError(
            f"{board.title}: no bitstream holds a net, as its large memories begin with nothing."
        )
    if netlist_vectors < 1:
        raise ValueError("The netlist has to be simulated with one vector at least.")
    if not len(vectors) or len(vectors) != len(expected):
        raise ValueError(
            f"{len(vectors)} vectors and {len(expected)} answers: there must be as many, and some."
        )
    folder.mkdir(parents=True, exist_ok=True)
    cache = cache or folder / "cache"
    task = Task(
        board=board,
        vectors=Vectors(vectors, expected, folder, progress, cancelled),
        simulations=cache / "simulations",
        limits=limits or Limits(),
        cancelled=cancelled,
    )
    building: dict[str, Any] = {
        "cache": cache / "bitstreams", "limits": limits, "progress": progress, "cancelled": cancelled,
    }  # fmt: skip
    graph = read_graph(content)
    images = sizes(graph, board)
    stages = [chain.reference(task, graph), chain.rtl(task, board.engine, images[board.engine])]
    engine, built = flow.build_largest(
        list(images), lambda size: circuit(board, size), board, folder=folder / "circuit", **building
    )
    image, made = images[engine], circuit(board, engine)
    if engine != board.engine:
        stages[1] = chain.rtl(task, engine, image)
    stages.append(chain.wired(task, "netlist", built.netlist, made, image, netlist_vectors))
    whole = None
    if contained:
        filled = circuit(board, engine, image=image)
        whole = flow.build(filled, board, folder=folder / "contained", **building)
        stages.append(chain.contained(task, whole, filled, image, netlist_vectors))
    stages.append(chain.timing([built] if whole is None else [built, whole]))
    return Proved(
        board=board,
        engine=engine,
        circuit=made,
        image=image,
        built=built,
        stages=tuple(stages),
        layers=layers(image.steps),
        cycles=image.cycles,
        energy=estimate(board, built.report, image.cycles / board.core_hz),
        contained=whole,
    )


def sizes(graph: Graph, board: Board) -> dict[Engine, Image]:
    """The net, compiled for the board's engine and for those with fewer lanes and as much memory that it fits, largest
    first. UnsupportedError, FitError of the board's engine.
    """
    found = {board.engine: compiled(graph, board.engine)}
    for lanes in sorted((each for each in LANES if each < board.engine.lanes), reverse=True):
        words = board.engine.weight_words * board.engine.lanes // lanes
        engine = replace(board.engine, lanes=lanes, weight_words=words)
        try:
            found[engine] = compiled(graph, engine)
        except FitError:
            break
    return found


def layers(steps: Sequence[Step]) -> tuple[LayerCycles, ...]:
    """A layer's operations as one, in their order."""
    found = []
    for (operator, name), group in groupby(steps, key=lambda step: (step.operator, step.layer)):
        of = list(group)
        found.append(
            LayerCycles(
                operator=operator,
                name=name,
                cycles=sum(step.cycles for step in of),
                multiply_accumulates=sum(step.multiplications for step in of),
            )
        )
    return tuple(found)
