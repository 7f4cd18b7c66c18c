"""A net that int8 spoils: made of one that was trained."""

from typing import Any

import numpy as np


def beside_a_loud_value(trained: Any, loudness: float) -> Any:
    """Its answers beside a larger value in one tensor, of which int8 has no steps left for them: the sum of the input's
    values times `loudness`.
    """
    import keras

    pixels = keras.Input(trained.input_shape[1:])
    answer = trained(pixels)
    classes = answer.shape[-1]
    flat = keras.layers.Flatten()(pixels)
    loud = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(flat)
    mixed = keras.layers.Concatenate()([answer, keras.layers.Rescaling(loudness)(loud)])
    out = keras.layers.Dense(classes, use_bias=False, name="keep")(mixed)
    model = keras.Model(pixels, out)
    model.get_layer("keep").set_weights([np.eye(classes + 1, classes, dtype=np.float32)])
    return model
