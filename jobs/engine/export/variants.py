"""The model files of a bundle: exported, looked at, run over the test split."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.profiles import Kind, Target, Variant
from jobs.engine import evaluate
from jobs.engine.data import Arrays
from jobs.engine.export import dataless, measure, remedies
from jobs.engine.export.compared import Compared, compare
from jobs.engine.export.convert import ConversionError, Converter
from jobs.engine.export.fit import Need, why_not
from jobs.engine.export.graph import Graph, inspect

FILES = {Variant.INT8: "model.tflite", Variant.FP32: "model_fp32.tflite", Variant.ONNX: "model.onnx"}
CALIBRATION_SAMPLES = 300
# An int8 file that loses more of its accuracy (or R²) than this is shipped, but not run unless asked for.
LOSS_LIMIT = 0.03


class RefusedError(Exception):
    """The model cannot run on the target; the message says why and what would help."""


@dataclass(frozen=True)
class Exported:
    """One model file and what it turned out to be worth on the test split, also beside the float model: None for the
    float model itself, and where there are no samples. `treated` where plain int8 was really worse.
    """

    variant: Variant
    content: bytes
    graph: Graph
    outputs: NDArray[np.float32]
    metrics: dict[str, Any]
    compared: Compared | None = None
    treated: remedies.Treatment | None = None

    @property
    def need(self) -> Need:
        return Need(len(self.content), self.graph.arena_bytes)

    @property
    def score(self) -> float:
        """What variants are compared by: accuracy, or R²."""
        return float(self.metrics["accuracy"] if "accuracy" in self.metrics else self.metrics["r2"])


@dataclass(frozen=True)
class Exports:
    """All variants that were made, why others are left out, and which one runs unless one is asked for.

    `exact` are the float model's outputs, also where its file is left out; None where LiteRT cannot run it.
    """

    made: dict[Variant, Exported]
    left_out: dict[Variant, str]
    default: Variant
    note: str = ""
    exact: NDArray[np.float32] | None = None


def export(
    model: Any,
    arrays: Arrays,
    target: Target,
    *,
    scratch: Path,
    threads: int,
    tick: Callable[[str, float], None],
    why_not_there: remedies.WhyNot | None = None,
) -> Exports:
    """Every variant that the target takes. RefusedError when none can run there.

    `why_not_there` says why the target's kind can't run a file, beside what is asked of every file here.
    `tick` gets a phase and 0..1 within it, and may raise to break off; `scratch` is a folder to work in.
    """
    plain = plain_dense(target)
    with Converter(model, tuple(model.input_shape[1:]), scratch, plain_dense=plain) as converter:
        work = _Work(converter, arrays, target, threads, tick, why_not_there or _fits(target))
        fp32, contents, left_out = _convert(converter, arrays, target, lambda part: tick("exporting", part))
        left_out |= {
            variant: reason for variant, content in contents.items() if (reason := _fits(target)(content))
        }
        fitting = {variant: content for variant, content in contents.items() if variant not in left_out}
        if not fitting:
            raise RefusedError(left_out[Variant.INT8 if Variant.INT8 in contents else Variant.FP32])
        outputs = work.run({Variant.FP32: fp32, **fitting}, left_out)
        exact = outputs.get(Variant.FP32)
        made = {
            variant: exported(variant, content, outputs[variant], arrays, exact)
            for variant, content in fitting.items()
            if variant in outputs
        }
        if Variant.INT8 in made and exact is not None:
            made[Variant.INT8] = work.treated(made[Variant.INT8], fp32, exact)
    if not made:
        raise RefusedError(" ".join(left_out.values()))
    return _with_default(made, left_out, exact, target)


def plain_dense(target: Target) -> bool:
    """Whether the target's libraries may be older than dense layers with a scale for each output: TensorFlow Lite Micro
    has known them since September 2024 (its pull request 2673; with activations of 16 bits 2025, 3028), and took the
    first scale for all until May 2024 (2602), without a word.
    """
    return target.kind is Kind.MICROCONTROLLER


def _fits(target: Target) -> remedies.WhyNot:
    return lambda content: why_not(target, Need(len(content), inspect(content).arena_bytes))


@dataclass(frozen=True)
class _Work:
    """One export under way."""

    converter: Converter
    arrays: Arrays
    target: Target
    threads: int
    tick: Callable[[str, float], None]
    why_not: remedies.WhyNot

    def run(
        self, contents: dict[Variant, bytes], left_out: dict[Variant, str]
    ) -> dict[Variant, NDArray[np.float32]]:
        """The outputs of each file on the test split; those that LiteRT cannot run go to `left_out`."""
        found = {}
        for number, (variant, content) in enumerate(contents.items()):

            def evaluated(part: float, number: int = number) -> None:
                self.tick("evaluating", (number + part) / len(contents))

            try:
                found[variant] = measure.run_file(
                    content, dataless.subjects(self.arrays), threads=self.threads, tick=evaluated
                )
            except measure.UnrunnableError as error:
                left_out.setdefault(variant, f"LiteRT cannot run the {variant} model: {error}")
        return found

    def treated(self, int8: Exported, fp32: bytes, exact: NDArray[np.float32]) -> Exported:
        """An int8 file, or if it is really worse than the float model one with a remedy that was seen to help."""
        if int8.compared is None or not int8.compared.real:
            return int8

        def tick(_part: float) -> None:
            self.tick("evaluating", 1.0)

        samples = self.arrays.representative(CALIBRATION_SAMPLES)
        candidates = remedies.candidates(
            self.target, self.arrays, inspect(fp32), lambda: self.converter.int8(samples, wide=True)
        )
        if not candidates:
            return replace(int8, treated=remedies.Treatment((), int8.compared))
        by = remedies.judges(self.arrays, fp32, int8.content, threads=self.threads, tick=tick)
        found = remedies.treat(candidates, int8.compared, by, self.why_not, threads=self.threads, tick=tick)
        if found.applied:
            content = found.applied.content
            outputs = measure.run_file(content, self.arrays.test.x, threads=self.threads, tick=tick)
            int8 = exported(Variant.INT8, content, outputs, self.arrays, exact)
        return replace(int8, treated=found)


def exported(
    variant: Variant,
    content: bytes,
    outputs: NDArray[np.float32],
    arrays: Arrays,
    exact: NDArray[np.float32] | None,
) -> Exported:
    """A file with what its outputs on the test split are worth. RefusedError when some are no numbers."""
    metrics = worth(outputs, arrays)
    compared = beside(outputs, exact, arrays) if variant is not Variant.FP32 else None
    return Exported(variant, content, inspect(content), outputs, metrics, compared)


def beside(
    outputs: NDArray[np.float32], exact: NDArray[np.float32] | None, arrays: Arrays
) -> Compared | None:
    """Outputs on the test split beside the float model's; None where there is nothing to compare."""
    if exact is None or not dataless.is_measured(arrays):
        return None
    return compare(outputs, exact, arrays.test.y, classes=bool(arrays.labels))


def _convert(
    converter: Converter, arrays: Arrays, target: Target, tick: Callable[[float], None]
) -> tuple[bytes, dict[Variant, bytes], dict[Variant, str]]:
    """The float model's file, those that the target takes, and why others are left out."""
    contents: dict[Variant, bytes] = {}
    left_out: dict[Variant, str] = {}
    tick(0.2)
    try:
        fp32 = converter.fp32()
    except ConversionError as error:
        raise RefusedError(
            f"LiteRT, which runs the model on {target.title}, cannot express it: {error}"
        ) from error
    tick(0.5)
    for variant in (Variant.INT8, Variant.FP32):
        if variant not in target.variants:
            left_out[variant] = f"{target.title} does not run {variant} models."
        elif variant is Variant.FP32:
            contents[variant] = fp32
        elif not dataless.is_measured(arrays):
            left_out[variant] = dataless.no_int8(arrays)
        else:
            try:
                contents[variant] = _int8(converter, arrays, fp32)
            except ConversionError as error:
                left_out[variant] = f"The model could not be made int8: {error}"
    tick(1.0)
    if not contents:
        raise RefusedError(" ".join(left_out.values()))
    return fp32, contents, left_out


def _int8(converter: Converter, arrays: Arrays, fp32: bytes) -> bytes:
    samples = arrays.representative(CALIBRATION_SAMPLES)
    if arrays.kind == "table":
        return converter.int8_core(samples, inspect(fp32).operators)
    return converter.int8(samples)


def worth(outputs: NDArray[np.float32], arrays: Arrays) -> dict[str, Any]:
    """The metrics of outputs (n, outputs) on the test split; RefusedError when some are no numbers."""
    if not np.isfinite(outputs).all():
        # Not a platform error: nobody may take home a model that answers NaN.
        raise RefusedError("The exported model answers with values that are no numbers; train it again.")
    if not dataless.is_measured(arrays):
        return {}
    if arrays.labels:
        return evaluate.classification(outputs, arrays.test.y, arrays.labels)
    return dict(evaluate.regression(outputs, arrays.test.y))


def _with_default(
    made: dict[Variant, Exported],
    left_out: dict[Variant, str],
    exact: NDArray[np.float32] | None,
    target: Target,
) -> Exports:
    if Variant.INT8 not in made:
        return Exports(made, left_out, Variant.FP32, left_out.get(Variant.INT8, ""), exact)
    int8, fp32 = made[Variant.INT8], made.get(Variant.FP32)
    note = int8.treated.in_words() if int8.treated else ""
    if fp32 is None:
        return Exports(made, left_out, Variant.INT8, note, exact)
    loss, real = fp32.score - int8.score, int8.compared is not None and int8.compared.real
    # The page for a browser has one model in it, and nobody there could ask for the other.
    if loss > LOSS_LIMIT or (real and target.kind is Kind.BROWSER):
        name = "accuracy" if "accuracy" in int8.metrics else "R²"
        falls = f"The int8 model loses {loss:.3f} of {name} against fp32; therefore fp32 runs by default."
        return Exports(made, left_out, Variant.FP32, f"{note} {falls}".strip(), exact)
    if real and target.kind is Kind.LINUX:
        note += " run.py --variant fp32 runs the float model, which loses nothing."
    return Exports(made, left_out, Variant.INT8, note, exact)
