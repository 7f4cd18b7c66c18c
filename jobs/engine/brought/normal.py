"""A brought model made to fit: pictures come as 0..255, sounds as a row; classes leave as probabilities in the order
of the labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.brought.interface import Interface, is_binary
from jobs.engine.brought.refused import NotTakenError
from jobs.engine.spec import PixelRange

RESCALINGS = {PixelRange.UNIT: (1 / 255, 0.0), PixelRange.SIGNED: (1 / 127.5, -1.0)}
SUM_LIMIT = 1e-3
NO_NUMBERS = (
    "The model answers with values that are no numbers (NaN or infinite). Look for weights that are none, and bring it "
    "again."
)


@dataclass(frozen=True)
class Normal:
    """The model as it is kept, and what was done to it, in sentences."""

    model: Any
    notes: tuple[str, ...]


def normalised(
    model: Any,
    interface: Interface,
    labels: Sequence[str],
    order: Sequence[int],
    *,
    pixels: PixelRange,
    probes: NDArray[np.float32],
) -> Normal:
    """The model with what boards expect before and behind it.

    `labels` name its outputs as they are, and `order` are the places among them in which they are kept. `probes` are
    inputs (n, *shape) as boards give them, by whose answers is told what kind of answers they are.
    """
    import keras

    notes: list[str] = []
    model = keras.Model(
        model.inputs[0], model.outputs[0]
    )  # also where it takes or gives a list or a dict of one
    inputs = keras.Input(interface.shape, name="input")
    x = _entered(inputs, model, interface, pixels, notes)
    y = model(x)
    y = y if y.dtype == "float32" else keras.ops.cast(y, "float32")
    answers = np.asarray(keras.Model(inputs, y).predict(probes, verbose=0))
    if not np.isfinite(answers).all():
        raise NotTakenError(NO_NUMBERS)
    if labels:
        y = _probabilities(y, answers, notes, binary=is_binary(interface, labels))
        if list(order) != sorted(order):
            y = keras.ops.take(y, np.asarray(order, dtype="int32"), axis=-1)
            notes.append("Its outputs were put into the order of the dataset's classes.")
    return Normal(keras.Model(inputs, y), tuple(notes))


def _entered(inputs: Any, model: Any, interface: Interface, pixels: PixelRange, notes: list[str]) -> Any:
    import keras

    x = inputs
    if interface.kind == "images" and pixels in RESCALINGS:
        scale, offset = RESCALINGS[pixels]
        x = keras.layers.Rescaling(scale, offset=offset, name="pixels")(x)
        notes.append(f"Pixels are scaled to {pixels} inside the model.")
    if interface.kind == "sounds" and len(model.inputs[0].shape) > len(inputs.shape):
        x = keras.layers.Reshape(model.inputs[0].shape[1:], name="samples")(x)
    wanted = str(model.inputs[0].dtype)
    return x if "float" in wanted else keras.ops.cast(x, wanted)


def _probabilities(y: Any, answers: NDArray[np.float32], notes: list[str], *, binary: bool) -> Any:
    """What tells classes apart, by what its answers look like."""
    import keras

    within = bool((answers >= 0).all() and (answers <= 1).all())
    if binary:
        notes.append("Its one output was taken as how likely the second label is.")
        p = y if within else keras.ops.sigmoid(y)
        return keras.ops.concatenate([1 - p, p], axis=-1)
    if within and bool((np.abs(answers.sum(axis=1) - 1) < SUM_LIMIT).all()):
        return y
    if within:
        notes.append("Its answers do not add up to one: they are kept as they are, the largest wins.")
        return y
    notes.append("Its answers were no probabilities; a softmax was put behind them.")
    return keras.layers.Softmax(name="probabilities")(y)
