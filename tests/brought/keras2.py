"""Writes files as Keras 2 wrote them, and what the models in them answer: `python keras2.py FOLDER`, in a process where
`tf_keras` can be imported (tests/brought/conftest.py). `answers.npz` holds the inputs as `x`, and the answers by model.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

SIDE, CLASSES = 8, 3


def main(folder: Path) -> None:
    tf_keras.utils.set_random_seed(7)
    x = np.random.default_rng(7).uniform(0, 255, (4, SIDE, SIDE, 1)).astype(np.float32)
    models = {"cnn": cnn(), "branch": branch()}
    models["cnn"].save(folder / "cnn.h5")
    models["cnn"].save(folder / "cnn_v3.keras")
    models["cnn"].save(folder / "cnn_saved", save_format="tf")
    shutil.make_archive(str(folder / "cnn_saved"), "zip", folder, "cnn_saved")
    models["branch"].save(folder / "branch.h5")
    with_lambda().save(folder / "lambda.h5")
    with_function().save(folder / "tfop.h5")
    np.savez(folder / "answers.npz", x=x, **{name: model(x).numpy() for name, model in models.items()})


def cnn() -> tf_keras.Model:
    """Trained for a moment, so that it has an optimizer and moving averages."""
    model = tf_keras.Sequential(
        [
            layers.InputLayer(input_shape=(SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.SeparableConv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    chance = np.random.default_rng(1)
    noise = chance.uniform(0, 255, (16, SIDE, SIDE, 1)).astype(np.float32)
    model.fit(noise, chance.integers(0, CLASSES, 16), verbose=0)
    return model


def branch() -> tf_keras.Model:
    """Two ways that meet again, and logits at the end."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    wide = layers.Conv2D(4, 3, padding="same")(pixels)
    flat = layers.Conv2D(4, 1)(layers.AveragePooling2D(2, strides=1, padding="same")(pixels))
    both = layers.LeakyReLU(0.1)(layers.Add()([wide, flat]))
    return tf_keras.Model(pixels, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(both)))


def with_lambda() -> tf_keras.Model:
    return tf_keras.Sequential(
        [layers.Dense(4, input_shape=(4,)), layers.Lambda(lambda x: x * 2), layers.Dense(CLASSES)]
    )


def with_function() -> tf_keras.Model:
    row = tf_keras.Input((4,))
    return tf_keras.Model(row, layers.Dense(CLASSES)(tf.nn.relu(layers.Dense(4)(row)) + 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
