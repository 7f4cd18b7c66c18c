"""Bundles for those who go on elsewhere: ONNX, the `.keras` file, a SavedModel.

Each file is run over the whole test split as it is, by what runs it there, and compared with the Keras model.
"""

from collections.abc import Callable

from jobs.engine.export.formats import keras_file, onnx_file, saved_model
from jobs.engine.export.kinds import Added, Build

ADDS: dict[str, Callable[[Build], Added]] = {
    "keras": keras_file.add,
    "onnx": onnx_file.add,
    "savedmodel": saved_model.add,
}


def add(build: Build) -> Added:
    """The format's own file, measured; RefusedError when the model can't be expressed in it."""
    return ADDS[build.target.name](build)
