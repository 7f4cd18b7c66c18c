"""Pictures to classes: a small network of one of three kinds, sized to the input."""

from typing import Annotated, Literal

from pydantic import Field

from hardware.targets.profiles import Kind
from jobs.engine.recipes.params import BatchSize, Dropout, Epochs, LearningRate, TrainParams
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.images import (
    SMALLEST_SIDE,
    NetworkName,
    chosen_side,
    image_net,
    kept_shape,
)
from jobs.engine.recipes.sizing.net import Net
from jobs.engine.recipes.sizing.search import Knobs, Sizing, downwards

LEAST_WIDTH, WIDTH_STEP, SIDE_STEP = 4, 4, 8
CHANNELS = {"colour": 3, "grey": 1}


class ImageClassifierParams(TrainParams):
    """Parameters of the image classifier."""

    epochs: Epochs = 40
    batch_size: BatchSize = 32
    learning_rate: LearningRate = 0.004
    network: Annotated[
        NetworkName,
        Field(
            title="Network",
            description="Residual learns most from pictures. Separable (DS-CNN) takes few multiplications and little "
            "memory: for sounds drawn as pictures and for microcontrollers; it wants about four times the width. Plain "
            "(two convolutions with pooling, and a dense layer) is for small grey pictures.",
        ),
    ] = "residual"
    width: Annotated[
        int,
        Field(
            title="Width",
            ge=LEAST_WIDTH,
            le=256,
            description="Features of the first layer; later layers have up to four times as many, in a separable "
            "network as many. Twice the width costs about four times the time and the memory.",
        ),
    ] = 16
    depth: Annotated[
        int | None,
        Field(
            title="Depth",
            ge=1,
            le=8,
            description="At most so many stages of a residual network, blocks of a separable one or convolutions of a "
            "plain one. Empty: chosen by the size of the pictures, up to 4 stages, 4 blocks, 2 convolutions or more.",
        ),
    ] = None
    image_size: Annotated[
        int | None,
        Field(
            title="Image size",
            ge=8,
            le=320,
            description="Pictures are scaled to this many pixels on each side. Empty: chosen from the data, up to 96.",
        ),
    ] = None
    shape: Annotated[
        Literal["square", "kept"],
        Field(
            title="Shape",
            description="Square: pictures are scaled to squares. Kept: they keep the proportions of the data's median "
            "picture, and the image size is that of the shorter side.",
        ),
    ] = "square"
    colour: Annotated[
        Literal["auto", "colour", "grey"],
        Field(title="Colour", description="Auto looks at the pictures: grey ones are read as one channel."),
    ] = "auto"
    augment: Annotated[
        bool,
        Field(
            title="Vary pictures",
            description="Shift pictures a little, differently each time they are seen.",
        ),
    ] = True
    mirror: Annotated[
        Literal["auto", "on", "off"],
        Field(
            title="Mirror pictures",
            description="Also train on mirror images. Auto mirrors colour pictures but not grey ones, which are often "
            "letters or digits. Needs “Vary pictures”.",
        ),
    ] = "auto"
    dropout: Dropout = 0.2


def _side(params: ImageClassifierParams, data: Data) -> int:
    return params.image_size or chosen_side(data.side)


def picture_shape(params: ImageClassifierParams, data: Data) -> tuple[int, int]:
    """(height, width) to train at; a square too where the pictures' shape is to be kept and is not known."""
    side = _side(params, data)
    return kept_shape(side, data.shape) if params.shape == "kept" and data.shape else (side, side)


def _net(params: ImageClassifierParams, data: Data) -> Net:
    return image_net(
        picture_shape(params, data),
        CHANNELS.get(params.colour, data.channels),
        classes=data.classes,
        width=params.width,
        network=params.network,
        depth=params.depth,
    )


def _knobs(params: ImageClassifierParams, data: Data) -> Knobs:
    """Smaller pictures, and fewer features; the number of stages follows from the pictures' size."""
    sides = downwards(_side(params, data), SMALLEST_SIDE, SIDE_STEP)
    return Knobs("image_size", sides, downwards(params.width, LEAST_WIDTH, WIDTH_STEP)[::-1])


RECIPE = Recipe(
    name="image-classifier",
    task="image-classification",
    title="Image classifier",
    description="Learns to tell pictures apart from a folder of examples per class. A small network that fits boards "
    "from a microcontroller up.",
    params=ImageClassifierParams,
    target_kinds=frozenset(Kind),
    trainer="jobs.engine.training.images:train_images",
    sizing=Sizing(_net, _knobs, kind="network"),
)
