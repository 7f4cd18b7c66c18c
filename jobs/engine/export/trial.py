"""An untrained model, converted and measured as a build does it: whether its boards hold it, before it is trained."""

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hardware.targets.profiles import Kind, Target
from jobs.engine.export import dataless
from jobs.engine.export.convert import ConversionError, Converter
from jobs.engine.export.fit import Need, why_not
from jobs.engine.export.fpga.judge import why_not_untrained
from jobs.engine.export.graph import inspect
from jobs.engine.export.microcontroller.packaging import checked
from jobs.engine.export.variants import RefusedError

SAMPLES = 4  # to calibrate by: their values change no size
PICTURE = 3


def why_not_there(model: Any, targets: Sequence[Target]) -> list[str]:
    """Sentences saying which of `targets` can't run `model`; none when all can.

    Its weights are replaced. Keras has to run on TensorFlow. A table's layers are taken to be int8, as they are unless
    that loses accuracy. Where TensorFlow Lite Micro's interpreter is not installed, microcontrollers are not asked.
    """
    try:
        content = _content(model)
    except ConversionError as error:
        return [f"The model could not be made int8: {error}."]
    return [reason for target in targets if (reason := _reason(content, target))]


def give_weights(model: Any) -> None:
    """Weights of all sorts, as training leaves them: biases that are all zero would be kept once for all layers."""
    chance = np.random.default_rng(0)
    model.set_weights([chance.uniform(0.5, 1.5, each.shape) for each in model.get_weights()])


def _content(model: Any) -> bytes:
    shape = tuple(model.input_shape[1:])
    give_weights(model)
    samples = dataless.vectors(shape, SAMPLES).astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch, Converter(model, shape, Path(scratch)) as converter:
        if len(shape) == PICTURE:
            return converter.int8_throughout(samples)
        return converter.int8_core(samples, inspect(converter.fp32()).operators)


def _reason(content: bytes, target: Target) -> str:
    if target.kind is Kind.FPGA:
        return why_not_untrained(content, target)
    if target.kind is not Kind.MICROCONTROLLER:
        return why_not(target, Need(len(content), inspect(content).arena_bytes))
    if importlib.util.find_spec("tflite_micro") is None:
        return ""
    try:
        checked(content, target)
    except RefusedError as error:
        return str(error)
    return ""
