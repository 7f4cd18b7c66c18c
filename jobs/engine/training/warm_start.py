"""Starting from another model's weights, layer by layer, wherever names and shapes agree."""

from pathlib import Path
from typing import Any

import keras

from jobs.engine.ends import BadDataError
from jobs.engine.networks import CORE


def warm_start(model: keras.Model, path: Path) -> str:
    """Copy what fits from the .keras file at `path` into `model`; a sentence that says how much did.

    Raises BadDataError when the file is no Keras model, or nothing of it fits.
    """
    try:
        other = keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadDataError(
            "The model to start from cannot be read; choose another, or start without one."
        ) from error
    theirs = {layer.name: layer for layer in _core(other).layers if layer.weights}
    ours = [layer for layer in _core(model).layers if layer.weights]
    fitting = [layer for layer in ours if _shapes(layer) == _shapes(theirs.get(layer.name))]
    if not fitting:
        raise BadDataError(
            "Nothing of the model to start from fits this network; choose its width and size alike."
        )
    for layer in fitting:
        layer.set_weights(theirs[layer.name].get_weights())
    return f"Started from another model: {len(fitting)} of {len(ours)} layers fitted."


def _core(model: Any) -> Any:
    return next((layer for layer in model.layers if layer.name == CORE), model)


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights] if layer is not None else []
