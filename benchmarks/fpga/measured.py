"""One net's figures: trained, converted as a build does it, then proved for a board."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from benchmarks.fpga.nets import Net
from benchmarks.fpga.sets import Samples
from hardware.fpga.boards import BAUD, Board
from hardware.fpga.edges import quantised
from hardware.fpga.flow import Progress
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Int8s
from hardware.fpga.proof import Proved, prove
from hardware.fpga.wire.link import BITS_A_BYTE, request
from jobs.engine.export.convert import Converter
from portal.kit import clock

CALIBRATION = 200  # samples, as a build takes
_ANSWER = 9  # bytes of an answer without data


@dataclass(frozen=True)
class Measured:
    """Accuracies on the test part. `litert`: LiteRT's default kernels; `rtl`: the engine's, which is LiteRT's reference
    kernels'. `load_s`: what loading takes on the serial line, reckoned from its frames.
    """

    net: Net
    parameters: int
    floats: float
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


def measure(net: Net, source: Path, board: Board, folder: Path, cache: Path, progress: Progress) -> Measured:
    """`source` has the data; `folder` is worked in."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = net.data(source)
    model = trained(net, samples)
    with Converter(model, samples.train.shape[1:], folder) as converter:
        content = converter.int8(samples.train[:CALIBRATION])
    (folder / "model.tflite").write_bytes(content)
    graph = read_graph(content)
    x = quantised(samples.test, graph.values[graph.input])
    answers, outputs = _reference(content, samples.test, graph.output)
    began = clock.monotonic()
    proved = prove(
        content,
        board=board,
        vectors=x,
        expected=outputs,
        folder=folder / "proof",
        cache=cache,
        progress=progress,
    )
    took = clock.monotonic() - began
    return Measured(
        net=net,
        parameters=int(model.count_params()),
        floats=_accuracy(model.predict(samples.test, verbose=0), samples),
        litert=_accuracy(_answers(content, samples.test), samples),
        rtl=_accuracy(answers, samples),
        vectors=len(x),
        load_s=loading(proved, board),
        took_s=took,
        proved=proved,
    )


def trained(net: Net, samples: Samples) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Model(*net.build(keras.layers, samples.train.shape[1:]))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(samples.train, samples.train_labels, epochs=net.epochs, batch_size=64, verbose=0)
    return model


def loading(proved: Proved, board: Board) -> float:
    """Seconds that an image's frames, and the answers to them, are on the line."""
    most = 1 << board.capacity_bits
    sizes = [
        min(most, len(data) - at) for _, data in proved.image.segments for at in range(0, len(data), most)
    ]
    frames = len(request(1, 2)) + _ANSWER
    return sum(size + frames for size in sizes) * BITS_A_BYTE / BAUD


def _reference(content: bytes, inputs: NDArray[np.float32], output: int) -> tuple[NDArray[np.float32], Int8s]:
    """What LiteRT's reference kernels answer, and their tensor before the softmax."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    answers, tensors = _run(interpreter, inputs, [output])
    return answers, tensors[output]


def _answers(content: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return _run(Interpreter(model_content=content, num_threads=1), inputs, [])[0]


def _run(
    interpreter: Any, inputs: NDArray[np.float32], numbers: list[int]
) -> tuple[NDArray[np.float32], dict[int, Any]]:
    """The answers to each input (n, classes), and the tensors of these numbers (n, …)."""
    interpreter.allocate_tensors()
    first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found: dict[int, list[Any]] = {number: [] for number in [last, *numbers]}
    for each in inputs:
        interpreter.set_tensor(first, each[None])
        interpreter.invoke()
        for number, rows in found.items():
            rows.append(interpreter.get_tensor(number)[0])
    stacked = {number: np.stack(rows) for number, rows in found.items()}
    return stacked[last], stacked


def _accuracy(answers: NDArray[np.float32], samples: Samples) -> float:
    return float((answers.argmax(axis=1) == samples.test_labels).mean())
