"""The nets that are measured, in Keras; each takes what its set gives, and answers with ten probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fpga.sets import Samples, digits, grey_pictures, pictures, recordings

CLASSES = 10


@dataclass(frozen=True)
class Net:
    """`build` makes the model of an input shape, with keras' layers; `data` reads its set of a folder."""

    name: str
    title: str
    epochs: int
    data: Callable[[Path], Samples]
    build: Callable[[Any, tuple[int, ...]], tuple[Any, Any]]


def digits_cnn(layers: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    source = layers.Input(shape)
    x = layers.Rescaling(1 / 64, offset=-2.0)(source)
    x = _convolution(layers, x, 8)
    x = layers.MaxPooling2D(2)(x)
    x = _convolution(layers, x, 16)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    return source, layers.Dense(CLASSES, activation="softmax")(x)


def lenet(layers: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """After LeCun et al. 1998, with ReLU and maximum pooling."""
    source = layers.Input(shape)
    x = layers.Rescaling(1 / 64, offset=-2.0)(source)
    x = layers.MaxPooling2D(2)(layers.Conv2D(6, 5, padding="same", activation="relu")(x))
    x = layers.MaxPooling2D(2)(layers.Conv2D(16, 5, activation="relu")(x))
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return source, layers.Dense(CLASSES, activation="softmax")(x)


def ds_cnn(layers: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The small one of Zhang et al. 2017 (arXiv 1711.07128), as MLPerf Tiny has it."""
    source = layers.Input(shape)
    x = layers.Rescaling(1 / 8, offset=-1.5)(source)
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = _convolution(layers, x, 64, size=1)
    x = layers.GlobalAveragePooling2D()(x)
    return source, layers.Dense(CLASSES, activation="softmax")(x)


def resnet_8(layers: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """As MLPerf Tiny has it: He et al. 2016 with three blocks, of 16, 32 and 64 channels."""
    source = layers.Input(shape)
    x = _convolution(layers, layers.Rescaling(1 / 64, offset=-2.0)(source), 16)
    for width, strides in ((16, 1), (32, 2), (64, 2)):
        y = _convolution(layers, x, width, strides=strides)
        y = _convolution(layers, y, width, relu=False)
        if strides > 1:
            x = layers.Conv2D(width, 1, strides=strides, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return source, layers.Dense(CLASSES, activation="softmax")(x)


def _convolution(
    layers: Any, x: Any, width: int, *, size: int = 3, strides: int = 1, relu: bool = True
) -> Any:
    x = layers.Conv2D(width, size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


NETS = (
    Net("digits-cnn", "Digits CNN, 8 × 8 grey", 30, digits, digits_cnn),
    Net("lenet", "LeNet, 28 × 28 grey, CIFAR-10", 20, grey_pictures, lenet),
    Net("ds-cnn", "DS-CNN, spoken digits", 20, recordings, ds_cnn),
    Net("resnet-8", "ResNet-8, CIFAR-10", 20, pictures, resnet_8),
)
