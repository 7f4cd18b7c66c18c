"""A test split run on a board: by its serial port, with the very files of a bundle and its programs' own code.

    model = model_in(folder)                       # a bundle's folder
    found = evaluate("/dev/ttyUSB0", model, x)     # x as the model takes it: float32 (n, …)
    found.outputs, found.cycles

The port may be a pseudo-terminal with a simulated board behind it (simulation/serial_line.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.boards import BAUD
from hardware.fpga.ir import Int8s
from hardware.fpga.tools import CancelledError
from hardware.fpga.wire import ends, ports
from hardware.fpga.wire.board import Board, Image
from hardware.fpga.wire.link import Client, Identity, LinkError, SilentError
from portal.kit import clock

PATIENCE_S = 2.0


class EvaluationError(Exception):
    """No answers came of it: a sentence, and lines of what to do."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What a board answered: `steps` are the engine's outputs, int8 (n, *their shape), `outputs` the model's, float32
    (n, …); `cycles` of each run; seconds that loading and all answers took; and what the board said it is.
    """

    steps: Int8s
    outputs: NDArray[Any]
    cycles: tuple[int, ...]
    load_seconds: float
    seconds: float
    identity: Identity


def model_in(folder: Path) -> Image:
    """The model that lies in a bundle's folder. EvaluationError when it is damaged or not there."""

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise EvaluationError(f"{name} cannot be read: {error.strerror}") from None

    return Image(read, EvaluationError)


def evaluate(
    port: str,
    model: Image,
    x: NDArray[Any],
    *,
    patience: float = PATIENCE_S,
    progress: Callable[[float], None] = lambda _part: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Evaluated:
    """Loads the model into the board at `port` and runs every input. `progress` gets 0..1; `patience`: seconds to wait
    for an answer. EvaluationError, CancelledError.
    """
    line = ports.opened(port, BAUD, EvaluationError)
    try:
        board = Board(Client(line, patience=patience), EvaluationError)
        board.check(model)
        loaded = 0.0 if board.holds(model) else board.load(model)["seconds"]
        began = clock.monotonic()
        vectors = ends.entered(model.said["ends"], x) if model.said["ends"] else np.asarray(x, np.int8)
        steps, cycles = _answers(board, model, vectors, progress, cancelled)
        outputs = ends.left(model.said["ends"], steps) if model.said["ends"] else steps
        took = clock.monotonic() - began
    except SilentError:
        raise EvaluationError(
            f"Nothing answers at {port}. Is the board programmed, and is this its port?",
            "",
            model.programming(),
        ) from None
    except LinkError as error:
        raise EvaluationError(f"{port}: {error}") from None
    except OSError as error:
        raise EvaluationError(f"{port}: {error}. Was the board unplugged?") from None
    finally:
        line.close()
    return Evaluated(
        steps=steps,
        outputs=outputs,
        cycles=cycles,
        load_seconds=loaded,
        seconds=took,
        identity=board.identity,
    )


def _answers(
    board: Board,
    model: Image,
    vectors: Int8s,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> tuple[Int8s, tuple[int, ...]]:
    shape = model.said["output"]["shape"]
    found, cycles = np.empty((len(vectors), *shape), np.int8), []
    for number, vector in enumerate(vectors):
        if cancelled():
            raise CancelledError("the evaluation was called off")
        output, took = board.infer(model, ends.packed(model.said["feed"], vector))
        found[number] = ends.unpacked(output, shape)
        cycles.append(took)
        progress((number + 1) / len(vectors))
    return found, tuple(cycles)
