"""The model files of a bundle: exported, looked at, run over the test split."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.profiles import Target, Variant
from jobs.engine import evaluate
from jobs.engine.data import Arrays
from jobs.engine.export import dataless, measure
from jobs.engine.export.convert import ConversionError, Converter
from jobs.engine.export.fit import Need, why_not
from jobs.engine.export.graph import Graph, inspect

FILES = {Variant.INT8: "model.tflite", Variant.FP32: "model_fp32.tflite"}
CALIBRATION_SAMPLES = 300
# An int8 file that loses more of its accuracy (or R²) than this is shipped, but not run unless asked for.
LOSS_LIMIT = 0.03


class RefusedError(Exception):
    """The model cannot run on the target; the message says why and what would help."""


@dataclass(frozen=True)
class Exported:
    """One model file and what it turned out to be worth on the test split."""

    variant: Variant
    content: bytes
    graph: Graph
    outputs: NDArray[np.float32]
    metrics: dict[str, Any]

    @property
    def need(self) -> Need:
        return Need(len(self.content), self.graph.arena_bytes)

    @property
    def score(self) -> float:
        """What variants are compared by: accuracy, or R²."""
        return float(self.metrics["accuracy"] if "accuracy" in self.metrics else self.metrics["r2"])


@dataclass(frozen=True)
class Exports:
    """All variants that were made, why others are left out, and which one runs unless one is asked for."""

    made: dict[Variant, Exported]
    left_out: dict[Variant, str]
    default: Variant
    note: str = ""


def export(
    model: Any,
    arrays: Arrays,
    target: Target,
    *,
    scratch: Path,
    threads: int,
    tick: Callable[[str, float], None],
) -> Exports:
    """Every variant that the target takes. RefusedError when none can run there.

    `tick` gets a phase and 0..1 within it, and may raise to break off; `scratch` is a folder to work in.
    """
    contents, left_out = _convert(model, arrays, target, scratch, lambda part: tick("exporting", part))
    graphs = {variant: inspect(content) for variant, content in contents.items()}
    for variant, graph in graphs.items():
        reason = why_not(target, Need(len(contents[variant]), graph.arena_bytes))
        if reason:
            left_out[variant] = reason
    fitting = [variant for variant in contents if variant not in left_out]
    if not fitting:
        raise RefusedError(left_out[Variant.INT8 if Variant.INT8 in contents else Variant.FP32])
    made = {}
    for number, variant in enumerate(fitting):

        def evaluated(part: float, number: int = number) -> None:
            tick("evaluating", (number + part) / len(fitting))

        content = contents[variant]
        try:
            outputs = measure.run_file(content, dataless.subjects(arrays), threads=threads, tick=evaluated)
        except measure.UnrunnableError as error:
            left_out[variant] = f"LiteRT cannot run the {variant} model: {error}"
            continue
        made[variant] = Exported(variant, content, graphs[variant], outputs, worth(outputs, arrays))
    if not made:
        raise RefusedError(" ".join(left_out.values()))
    return _with_default(made, left_out)


def _convert(
    model: Any, arrays: Arrays, target: Target, scratch: Path, tick: Callable[[float], None]
) -> tuple[dict[Variant, bytes], dict[Variant, str]]:
    contents: dict[Variant, bytes] = {}
    left_out: dict[Variant, str] = {}
    with Converter(model, tuple(model.input_shape[1:]), scratch) as converter:
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
                left_out[variant] = dataless.NO_INT8
            else:
                try:
                    contents[variant] = _int8(converter, arrays, fp32)
                except ConversionError as error:
                    left_out[variant] = f"The model could not be made int8: {error}"
    tick(1.0)
    if not contents:
        raise RefusedError(" ".join(left_out.values()))
    return contents, left_out


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


def _with_default(made: dict[Variant, Exported], left_out: dict[Variant, str]) -> Exports:
    if Variant.INT8 not in made:
        return Exports(made, left_out, Variant.FP32, left_out.get(Variant.INT8, ""))
    if Variant.FP32 not in made:
        return Exports(made, left_out, Variant.INT8)
    loss = made[Variant.FP32].score - made[Variant.INT8].score
    if loss <= LOSS_LIMIT:
        return Exports(made, left_out, Variant.INT8)
    name = "accuracy" if "accuracy" in made[Variant.INT8].metrics else "R²"
    note = f"The int8 model loses {loss:.3f} of {name} against fp32; therefore fp32 runs by default."
    return Exports(made, left_out, Variant.FP32, note)
