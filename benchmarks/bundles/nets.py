"""Nets to quantise: the recipes' own, such as members bring, and some that are made to quantise badly. Trained here."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.bundles.sets import ARCHIVE
from jobs.engine.data import Split
from tests.export.loud import beside_a_loud_value

TEST = 0.3  # of the samples
SEED = 0
UNLIKE = 1.5  # powers of ten, up and down
LOUDNESS = 1 / 16
FRIEDMAN = {"n_samples": 2000, "noise": 1.0, "random_state": SEED}


@dataclass(frozen=True)
class Samples:
    """Inputs as a net takes them, float32, with label numbers, or with numbers to tell."""

    train: Split
    test: Split
    classes: bool = True

    @property
    def outputs(self) -> int:
        return int(self.train.y.max()) + 1 if self.classes else 1


@dataclass(frozen=True)
class Net:
    """`samples` may read the folder that was named; `model` makes a net of them and trains it."""

    name: str
    title: str
    samples: Callable[[Path], Samples]
    model: Callable[[Samples], Any]


def _split(x: Any, y: Any, *, classes: bool = True) -> Samples:
    from sklearn.model_selection import train_test_split

    inputs = np.asarray(x, dtype=np.float32)
    found = train_test_split(inputs, y, test_size=TEST, random_state=SEED, stratify=y if classes else None)
    return Samples(Split(found[0], found[2]), Split(found[1], found[3]), classes)


def _digits(_folder: Path) -> Samples:
    from sklearn.datasets import load_digits

    found = load_digits()
    return _split((found.images * 255 / 16).round()[..., None], found.target)


def _cifar(folder: Path) -> Samples:
    with zipfile.ZipFile(folder / ARCHIVE) as packed:
        names = sorted(name for name in packed.namelist() if name.endswith(".jpg"))
        pictures = [np.asarray(Image.open(io.BytesIO(packed.read(name))).convert("RGB")) for name in names]
    _labels, y = np.unique([name.split("/")[-2] for name in names], return_inverse=True)
    return _split(np.stack(pictures), y)


def _table(loader: str) -> Callable[[Path], Samples]:
    def load(_folder: Path) -> Samples:
        from sklearn import datasets

        return _split(*getattr(datasets, loader)(return_X_y=True))

    return load


def _friedman(_folder: Path) -> Samples:
    from sklearn.datasets import make_friedman1

    return _split(*make_friedman1(**FRIEDMAN), classes=False)


def _trained(model: Any, samples: Samples, epochs: int, *, rate: float = 1e-3) -> Any:
    import keras

    loss = "sparse_categorical_crossentropy" if samples.classes else "mse"
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(samples.train.x, samples.train.y, epochs=epochs, batch_size=32, verbose=0)
    return model


def _of_the_recipe(epochs: int) -> Callable[[Samples], Any]:
    def make(samples: Samples) -> Any:
        from jobs.engine.networks import image_network
        from jobs.engine.recipes.image_classifier import ImageClassifierParams

        shape = samples.train.x.shape[1:]
        width = ImageClassifierParams().width
        model = image_network(shape, classes=samples.outputs, width=width, dropout=0.0).full
        return _trained(model, samples, epochs)

    return make


def _swish(samples: Samples) -> Any:
    """Smooth activations, and convolutions of few channels each by itself: the values of each lie close together."""
    import keras
    from keras import layers

    pixels = keras.Input(samples.train.x.shape[1:])
    x = layers.Rescaling(1 / 64, offset=-2.0)(pixels)
    x = layers.Conv2D(4, 3, padding="same", activation="swish")(x)
    for channels in (8, 16):
        x = layers.DepthwiseConv2D(3, padding="same", activation="swish")(x)
        x = layers.Conv2D(channels, 1, activation="swish")(x)
    out = layers.Dense(samples.outputs, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return _trained(keras.Model(pixels, out), samples, 60, rate=5e-3)


def _loud(samples: Samples) -> Any:
    return beside_a_loud_value(_of_the_recipe(12)(samples), LOUDNESS)


def _unlike(samples: Samples) -> Any:
    """Each channel of the first layer is scaled, and scaled back by the weights of the next: the same answers."""
    import keras
    from keras import layers

    pixels = keras.Input(samples.train.x.shape[1:])
    first = layers.Conv2D(16, 3, padding="same", activation="relu")
    second = layers.Conv2D(32, 3, padding="same", activation="relu")
    x = second(first(layers.Rescaling(1 / 64, offset=-2.0)(pixels)))
    out = layers.Dense(samples.outputs, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = _trained(keras.Model(pixels, out), samples, 40, rate=3e-3)
    scale = 10 ** np.random.default_rng(SEED).uniform(-UNLIKE, UNLIKE, 16)
    kernel, bias = first.get_weights()
    first.set_weights([kernel * scale, bias * scale])
    kernel, bias = second.get_weights()
    second.set_weights([kernel / scale[:, None], bias])
    return model


def _dense(samples: Samples) -> Any:
    """As somebody trains who scales nothing."""
    import keras
    from keras import layers

    columns = keras.Input(samples.train.x.shape[1:])
    x = layers.Dense(32, activation="relu")(columns)
    x = layers.Dense(32, activation="relu")(x)
    out = layers.Dense(samples.outputs, activation="softmax" if samples.classes else None)(x)
    return _trained(keras.Model(columns, out), samples, 100)


NETS = (
    Net("digits", "digits, the recipe's net", _digits, _of_the_recipe(12)),
    Net("cifar10", "CIFAR-10 (5,000 pictures), the recipe's net, 8 epochs", _cifar, _of_the_recipe(8)),
    Net("swish", "digits, swish and few-channel depthwise convolutions", _digits, _swish),
    Net("loud", "digits, a loud value beside the answers", _digits, _loud),
    Net("unlike", "digits, channels of unlike ranges (10^±1.5, undone in the next layer)", _digits, _unlike),
    Net("cancer", "breast cancer, dense layers on the raw columns", _table("load_breast_cancer"), _dense),
    Net("wine", "wine, the same", _table("load_wine"), _dense),
    Net("friedman", "Friedman's function, the same", _friedman, _dense),
)
