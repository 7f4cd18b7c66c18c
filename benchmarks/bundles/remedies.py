"""What brings back what int8 loses: each remedy on each of `nets`, and the table of docs/boards.md."""

import importlib.metadata
import platform
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.__main__ import machine
from benchmarks.bundles.nets import NETS, SEED, TEST, Net, Samples
from hardware.targets.litert.file import read
from jobs.engine import evaluate
from jobs.engine.export import measure
from jobs.engine.export.compared import Compared, compare
from jobs.engine.export.convert import Converter, guarded
from jobs.engine.export.graph import inspect
from jobs.engine.export.remedies import Candidate, Judges, Tried, attempt
from jobs.engine.export.slim import slim
from jobs.engine.export.variants import CALIBRATION_SAMPLES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "boards.md"
BEGIN, END = "<!-- remedies -->\n", "<!-- /remedies -->\n"
FEW, MANY = 30, 1500  # samples to calibrate with
LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
FIRST, LAST = 0, -1
TABLE = 2  # dimensions


class _PartConverter(Converter):
    """Also makes files of which one layer stays float. No target takes them: they were seen to help too little."""

    def int8_but(self, samples: NDArray[np.float32], place: int) -> bytes:
        """As `int8`, but for one of the layers that have weights: `place` among them, as an index."""
        import tensorflow as tf

        tools, converter = tf.lite.experimental, self._quantising(samples)

        def convert() -> bytes:
            debugger = tools.QuantizationDebugger(
                converter=converter, debug_dataset=converter.representative_dataset
            )
            name = _layers(debugger.calibrated_model)[place].outputs[0].name
            debugger.options = tools.QuantizationDebugOptions(denylisted_nodes=[name])
            return bytes(debugger.get_nondebug_quantized_model())

        found = slim(guarded(convert))
        assert _layers(found)[place].tensor(1).dtype == np.float32, "the layer did not stay float"
        return found


def _layers(content: bytes) -> list[Any]:
    """The operators with weights."""
    return [each for each in read(content).operators if each.name in LAYERS]


@dataclass(frozen=True)
class Row:
    """A net: its accuracy or R² in float, plain int8 beside it, and each remedy; all on the test split."""

    net: Net
    exact: float
    plain: Compared
    tried: tuple[Tried, ...]

    def markdown(self) -> str:
        cells = [self._cell(self.plain), *(self._cell(each.left) for each in self.tried)]
        return f"| {self.net.title} | {self._score(0.0)} | {' | '.join(cells)} |\n"

    def _cell(self, left: Compared | None) -> str:
        """Bold where it is really worse than the float model; a dash where there is no such file."""
        if left is None:
            return "–"
        return f"**{self._score(left.drop)}**" if left.real else self._score(left.drop)

    def _score(self, drop: float) -> str:
        return f"{self.exact - drop:.{3 if self.plain.metric == 'accuracy' else 4}f}"


HEAD = (
    "| model | float | int8 | 16-bit activations | first layer float | last layer float | "
    f"calibrated on {FEW} | calibrated on {MANY:,} |\n|---|---|---|---|---|---|---|---|\n"
)


def run(folder: Path, only: Collection[str] | None, *, write: bool) -> int:
    """Measure, print the table, and perhaps put it into docs/boards.md."""
    began, rows = time.monotonic(), []
    for net in NETS:
        if not only or net.name in only:
            rows.append(row(net, folder))
            print(rows[-1].markdown(), end="", flush=True)
    if write:
        put(DOCS, table(rows), time.monotonic() - began)
    return 0


def row(net: Net, folder: Path) -> Row:
    """Train a net, and quantise it in every way."""
    import keras

    keras.utils.set_random_seed(SEED)
    samples = net.samples(folder)
    model = net.model(samples)
    shape = samples.train.x.shape[1:]
    with (
        tempfile.TemporaryDirectory() as scratch,
        _PartConverter(model, shape, Path(scratch)) as converter,
    ):
        return _measured(net, samples, converter)


def _measured(net: Net, samples: Samples, converter: _PartConverter) -> Row:
    x, y, usual = samples.test.x, samples.test.y, _calibration(samples, CALIBRATION_SAMPLES)
    fp32 = converter.fp32()

    def as_built(count: int) -> bytes:
        """Plain int8 as a build makes it."""
        chosen = _calibration(samples, count)
        return (
            converter.int8(chosen) if x.ndim > TABLE else converter.int8_core(chosen, inspect(fp32).operators)
        )

    exact, plain = (_answers(content, x) for content in (fp32, as_built(CALIBRATION_SAMPLES)))
    judges = Judges(x, y, samples.classes, exact, plain)
    candidates = (
        Candidate("wide", "activations of 16 bits", lambda: converter.int8(usual, wide=True)),
        Candidate("first", "the first layer float", lambda: converter.int8_but(usual, FIRST)),
        Candidate("last", "the last layer float", lambda: converter.int8_but(usual, LAST)),
        Candidate("few", f"calibrated on {FEW}", lambda: as_built(FEW)),
        Candidate("many", f"calibrated on {MANY}", lambda: as_built(MANY)),
    )
    tried = tuple(
        attempt(each, judges, lambda _content: "", threads=2, tick=lambda _part: None) for each in candidates
    )
    for each in tried:
        if each.trouble:
            sys.stderr.write(f"{net.name}, {each.candidate.title}: {each.trouble}\n")
    return Row(net, _worth(exact, samples), compare(plain, exact, y, classes=samples.classes), tried)


def _calibration(samples: Samples, count: int) -> NDArray[np.float32]:
    """So many training samples, or all there are."""
    return samples.train.x[np.random.default_rng(SEED).permutation(len(samples.train.y))[:count]]


def _answers(content: bytes, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return measure.run_file(content, x, threads=2, tick=lambda _part: None)


def _worth(outputs: NDArray[np.float32], samples: Samples) -> float:
    if samples.classes:
        return float((outputs.argmax(axis=1) == samples.test.y).mean())
    return float(evaluate.regression(outputs, samples.test.y)["r2"])


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    return HEAD + "".join(row.markdown() for row in rows)


def put(docs: Path, text: str, took_s: float) -> None:
    """The table in place of the one between the two marks of a page. ValueError where it has not both."""
    before, begin, rest = docs.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{docs} has no place for the table")
    how = (
        f'Measured by `make bench-bundles ARGS="--remedies --write"` on {time.strftime("%Y-%m-%d")} in '
        f"{took_s / 60:.0f} minutes on {machine()}, Python {platform.python_version()}, LiteRT "
        f"{importlib.metadata.version('ai-edge-litert')}, on a test split of {TEST:.0%} of the samples (accuracy, or "
        "R² in the last row):\n\n"
    )
    docs.write_text(before + begin + how + text + end + after, encoding="utf-8")
