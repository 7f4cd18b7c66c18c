"""The networks that recipes train: Keras 3, any backend, stock layers only: a .keras file needs no code of ours.

Every network is `input → prepare → core → last`, each a layer of the model by that name:
- `prepare` is float arithmetic (rescaling, normalisation, category encoding). It stays float when a board gets int8;
- `core` is what is quantised: plain convolutions or dense layers, its input about -3..3, its output logits;
- `last` is `probabilities` (softmax) for classes, or `restore` (scale and offset back to the target's unit).

`parts(model)` takes a saved model apart again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from jobs.engine.recipes.sizing.images import (
    LARGEST_MAP,
    PLAIN_HIDDEN,
    POOL,
    NetworkName,
    plain_kernel,
    plain_widths,
    residual_widths,
    separable_kernel,
    separable_strides,
)
from jobs.engine.tables import TableEncoding

PREPARE, CORE, PROBABILITIES, RESTORE = "prepare", "core", "probabilities", "restore"


@dataclass(frozen=True)
class Network:
    """The model a member takes home, and the same weights without its last layer: what the loss is computed on."""

    full: keras.Model
    raw: keras.Model


@dataclass(frozen=True)
class Parts:
    """The pieces of a saved model."""

    prepare: keras.Model
    core: keras.Model
    last: keras.Layer


def parts(model: keras.Model) -> Parts:
    """The pieces of a model that this module built; ValueError (Keras's) when another program built it."""
    names = {layer.name for layer in model.layers}
    last = PROBABILITIES if PROBABILITIES in names else RESTORE
    return Parts(model.get_layer(PREPARE), model.get_layer(CORE), model.get_layer(last))


def image_network(
    shape: tuple[int, int, int],
    *,
    classes: int,
    width: int,
    dropout: float,
    network: NetworkName = "residual",
    depth: int | None = None,
) -> Network:
    """One of the three below, by name; `depth` is how many stages, blocks or convolutions it has at most.

    Input: float32 [batch, height, width, channels], pixels 0..255. Output: probabilities [batch, classes].
    """
    pixels = keras.Input(shape, name="pixels")
    prepare = keras.Model(pixels, layers.Rescaling(1 / 64, offset=-2.0)(pixels), name=PREPARE)
    features = keras.Input(shape, name="features")
    x = _BODIES[network](features, width, depth)
    x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    core = keras.Model(features, layers.Dense(classes, name="logits")(x), name=CORE)
    return _joined(prepare, core, layers.Softmax(name=PROBABILITIES))


def _residual(x: Any, width: int, depth: int | None) -> Any:
    """After He et al. 2016, shrunk: one block a stage, stages until the map is about 4 pixels wide. Three of them on
    32 × 32 pixels at width 16 are ResNet-8.
    """
    side = min(x.shape[1:3])
    x = _stem(x, side, width)
    for stage, each in enumerate(residual_widths(side, width, depth), start=1):
        x = _block(x, each, strides=2 if stage > 1 else 1, name=f"stage{stage}")
    return layers.GlobalAveragePooling2D(name="pool")(x)


def _separable(x: Any, width: int, depth: int | None) -> Any:
    """DS-CNN after Zhang et al. 2017 (arXiv 1711.07128): each block looks around in every channel by itself, then mixes
    the channels at each point. Every layer has `width` features.
    """
    first, *others = separable_strides(min(x.shape[1:3]), depth)
    x = _convolution(x, width, kernel=separable_kernel(x.shape[1:3]), strides=first, name="stem")
    for place, strides in enumerate(others, start=1):
        x = layers.DepthwiseConv2D(
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            name=f"block{place}_depthwise",
        )(x)
        x = _normalised(x, name=f"block{place}_depthwise")
        x = _convolution(x, width, kernel=1, name=f"block{place}_pointwise")
    return layers.GlobalAveragePooling2D(name="pool")(x)


def _plain(x: Any, width: int, depth: int | None) -> Any:
    """After LeCun et al. 1998, with ReLU, maximum pooling and batch normalisation, and one hidden dense layer."""
    side = min(x.shape[1:3])
    for place, each in enumerate(plain_widths(side, width, depth), start=1):
        x = _convolution(x, each, kernel=plain_kernel(side), name=f"layer{place}")
        x = layers.MaxPooling2D(POOL, name=f"layer{place}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(
        PLAIN_HIDDEN * width, activation="relu", kernel_initializer="he_normal", name="hidden"
    )(x)


_BODIES: dict[str, Callable[[Any, int, int | None], Any]] = {
    "residual": _residual,
    "separable": _separable,
    "plain": _plain,
}


def _stem(x: Any, side: int, width: int) -> Any:
    """The first convolution, with more that halve the map while it is larger than the stages need."""
    x = _convolution(
        x, width, kernel=5 if side > LARGEST_MAP else 3, strides=2 if side > LARGEST_MAP else 1, name="stem"
    )
    halvings = 0
    while side > LARGEST_MAP:
        side = -(-side // 2)
        halvings += 1
        if side > LARGEST_MAP:
            x = _convolution(x, width, strides=2, name=f"stem{halvings + 1}")
    return x


def _convolution(
    x: Any, width: int, *, name: str, kernel: int | tuple[int, int] = 3, strides: int = 1, relu: bool = True
) -> Any:
    x = layers.Conv2D(
        width,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    return _normalised(x, name=name, relu=relu)


def _normalised(x: Any, *, name: str, relu: bool = True) -> Any:
    # A quick average: small data sets have few steps to learn it in.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _block(x: Any, width: int, *, name: str, strides: int = 1) -> Any:
    y = _convolution(x, width, strides=strides, name=f"{name}_a")
    y = _convolution(y, width, relu=False, name=f"{name}_b")
    if strides > 1 or x.shape[-1] != width:
        x = _convolution(x, width, kernel=1, strides=strides, relu=False, name=f"{name}_skip")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def table_network(
    encoding: TableEncoding, *, classes: int | None, width: int, hidden: int, dropout: float
) -> Network:
    """A dense network over encoded columns; `classes` None predicts a number.

    Input: float32 [batch, columns], categories as codes (-1 unknown), NaN where a number is missing. Output:
    probabilities [batch, classes], or [batch, 1] in the target's unit.
    """
    columns = keras.Input((encoding.columns,), name="columns")
    prepare = keras.Model(columns, _encoded(columns, encoding), name=PREPARE)
    features = keras.Input((encoding.features,), name="features")
    x = features
    for place in range(1, hidden + 1):
        x = layers.Dense(width, activation="relu", kernel_initializer="he_normal", name=f"hidden{place}")(x)
        x = layers.Dropout(dropout, name=f"dropout{place}")(x) if dropout else x
    core = keras.Model(features, layers.Dense(classes or 1, name="logits")(x), name=CORE)
    if classes:
        return _joined(prepare, core, layers.Softmax(name=PROBABILITIES))
    return _joined(
        prepare, core, layers.Rescaling(encoding.target_scale, offset=encoding.target_mean, name=RESTORE)
    )


def _encoded(columns: Any, encoding: TableEncoding) -> Any:
    """`encoding.encode` as stock operations: what it does in numpy, this does in the graph."""
    found = []
    if encoding.numbers:
        x = ops.take(columns, np.array(encoding.numbers, dtype="int32"), axis=1)
        # NaN is the one number that differs from itself; a board knows NOT_EQUAL, but not IS_NAN.
        missing = ops.not_equal(x, x)
        scaled = (ops.where(missing, encoding.means, x) - encoding.means) * encoding.factors
        found.append(ops.clip(scaled, -encoding.limit, encoding.limit))
        if encoding.flagged:
            # Compared anew, not taken from `missing`: TensorFlow Lite Micro's GATHER knows no booleans.
            places = [encoding.numbers[place] for place in encoding.flagged]
            gaps = ops.take(columns, np.array(places, dtype="int32"), axis=1)
            found.append(ops.cast(ops.not_equal(gaps, gaps), "float32"))
    for column, count in encoding.categories:
        code = ops.take(columns, np.array([column], dtype="int32"), axis=1)
        found.append(ops.cast(ops.equal(code, np.arange(count, dtype="float32")), "float32"))
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=1)


def _joined(prepare: keras.Model, core: keras.Model, last: keras.Layer) -> Network:
    inputs = keras.Input(prepare.input_shape[1:], name="input")
    raw = core(prepare(inputs))
    return Network(full=keras.Model(inputs, last(raw)), raw=keras.Model(inputs, raw))
