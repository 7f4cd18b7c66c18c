"""One trained net's figures: converted as a build converts it, then proved for a board."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fpga.trained import Trained
from hardware.fpga.boards import BAUD, Board
from hardware.fpga.flow import Progress
from hardware.fpga.frontend import read_graph
from hardware.fpga.proof import Proved, prove
from hardware.fpga.wire.link import BITS_A_BYTE, request
from hardware.targets.profiles import Variant
from hardware.targets.registry import TARGETS
from jobs.engine.export.fpga.litert import LiteRT
from jobs.engine.export.kinds import judge_for
from jobs.engine.export.variants import Exported, export
from portal.kit import clock

_ANSWER = 9  # bytes of an answer without data


@dataclass(frozen=True)
class Measured:
    """Accuracies on the test split. `litert`: LiteRT's default kernels'; `rtl`: the engine's, which is that of LiteRT's
    reference kernels. `load_s`: what loading takes on the serial line, reckoned from its frames.
    """

    trained: Trained
    parameters: int
    litert: float
    rtl: float
    vectors: int
    load_s: float
    took_s: float
    proved: Proved

    @property
    def utilisation(self) -> float:
        """The share of the array's multiplications that the layers need."""
        needed = sum(layer.multiply_accumulates for layer in self.proved.layers)
        return needed / (self.proved.cycles * self.proved.engine.lanes)


def measure(
    trained: Trained, board: Board, folder: Path, cache: Path, progress: Progress, *, held: bool = False
) -> Measured:
    """`folder` is worked in. `held`: a bitstream that holds the net is made and proved, too."""
    folder.mkdir(parents=True, exist_ok=True)
    test = trained.arrays.test
    made = exported(trained, board, folder)
    (folder / "model.tflite").write_bytes(made.content)
    graph, litert = read_graph(made.content), LiteRT(made.content)
    answer = int(litert.output["index"])
    tensors = litert.run(test.x.astype(np.float32), (graph.input, graph.output, answer))
    began = clock.monotonic()
    proved = prove(
        made.content,
        board=board,
        vectors=tensors[graph.input],
        expected=tensors[graph.output],
        folder=folder / "proof",
        cache=cache,
        contained=held,
        progress=progress,
    )
    took = clock.monotonic() - began
    return Measured(
        trained=trained,
        parameters=int(trained.model.count_params()),
        litert=float(made.metrics["accuracy"]),
        rtl=_accuracy(tensors[answer], test.y),
        vectors=len(test.y),
        load_s=loading(proved, board),
        took_s=took,
        proved=proved,
    )


def exported(trained: Trained, board: Board, folder: Path) -> Exported:
    """The int8 file that a build for the board makes."""
    target = TARGETS[board.name]
    exports = export(
        trained.model,
        trained.arrays,
        target,
        scratch=folder,
        threads=os.cpu_count() or 1,
        tick=lambda _phase, _part: None,
        why_not_there=judge_for(target),
    )
    return exports.made[Variant.INT8]


def loading(proved: Proved, board: Board) -> float:
    """Seconds that an image's frames, and the answers to them, are on the line."""
    most = 1 << board.capacity_bits
    sizes = [
        min(most, len(data) - at) for _, data in proved.image.segments for at in range(0, len(data), most)
    ]
    frames = len(request(1, 2)) + _ANSWER
    return sum(size + frames for size in sizes) * BITS_A_BYTE / BAUD


def _accuracy(answers: NDArray[Any], labels: NDArray[Any]) -> float:
    return float((answers.argmax(axis=1) == labels).mean())
