"""What a recipe's net takes of an FPGA board's engine: held against nets that are converted and compiled."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.fpga.boards import BOARDS
from hardware.fpga.engine import LANES, Engine, Memory
from hardware.targets.fpga import FPGA
from hardware.targets.kernels import Pair
from hardware.targets.profiles import Target
from jobs.engine.recipes.image_classifier import ImageClassifierParams
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.recipes.sizing import fpga
from jobs.engine.recipes.sizing.boards import Fits, limit, on_board
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.fitting import UnfitError, fitted
from jobs.engine.recipes.sizing.images import NetworkName, image_net
from jobs.engine.recipes.sizing.tables import table_net

BOARD = next(target for target in FPGA if target.name == "ulx3s-12f")
IMAGES = RECIPES["image-classifier"].sizing
DIGITS = Data(classes=10, side=8, channels=1)
ROOM = 1 << 16


def roomy(lanes: int) -> Engine:
    return Engine(
        lanes=lanes,
        program_words=ROOM,
        weight_words=ROOM,
        constant_words=ROOM,
        table_words=ROOM,
        activation_words=ROOM,
    )


def assert_alike(content: bytes, net: object, engine: Engine) -> None:
    from hardware.fpga.frontend import read_graph
    from hardware.fpga.program import compiled

    image = compiled(read_graph(content), engine)
    told = fpga.needs(net, engine)  # type: ignore[arg-type]
    found = {memory: image.needs[f"{memory.name.removesuffix('S').lower()}_words"] for memory in Memory}
    assert told.words == found, engine.lanes
    assert told.cycles == image.cycles


@pytest.mark.train
@pytest.mark.parametrize(
    ("network", "sides", "channels", "classes", "width"),
    [
        ("residual", (8, 8), 1, 10, 16),
        ("residual", (28, 28), 3, 7, 12),
        ("residual", (33, 33), 1, 3, 5),
        ("residual", (70, 70), 3, 5, 4),
        ("separable", (49, 10), 1, 10, 64),
        ("separable", (18, 40), 3, 5, 12),
        ("separable", (8, 8), 3, 7, 5),
        ("plain", (28, 28), 1, 10, 8),
        ("plain", (45, 33), 3, 5, 6),
        ("plain", (9, 8), 3, 3, 5),
    ],
)
def test_pictures(
    network: NetworkName, sides: Pair, channels: int, classes: int, width: int, tmp_path: Path
) -> None:
    from jobs.engine.export import dataless
    from jobs.engine.export.convert import Converter
    from jobs.engine.networks import image_network

    shape = (*sides, channels)
    model = image_network(shape, classes=classes, width=width, dropout=0.2, network=network).full
    samples = dataless.vectors(shape, 8).astype(np.float32)
    with Converter(model, shape, tmp_path) as converter:
        content = converter.int8(samples)
    for lanes in LANES:
        net = image_net(sides, channels, classes=classes, width=width, network=network)
        assert_alike(content, net, roomy(lanes))


@pytest.mark.train
def test_an_input_is_not_unfolded_where_there_is_no_room(tmp_path: Path) -> None:
    from jobs.engine.export import dataless
    from jobs.engine.export.convert import Converter
    from jobs.engine.networks import image_network

    shape = (32, 32, 3)
    model = image_network(shape, classes=3, width=4, dropout=0.0, network="plain").full
    with Converter(model, shape, tmp_path) as converter:
        content = converter.int8(dataless.vectors(shape, 8).astype(np.float32))
    net = image_net((32, 32), 3, classes=3, width=4, network="plain")
    unfolded = fpga.needs(net, roomy(64)).words[Memory.ACTIVATIONS]
    engine = replace(roomy(64), activation_words=unfolded - 1)
    assert fpga.needs(net, engine).words[Memory.ACTIVATIONS] < unfolded
    assert_alike(content, net, engine)


@pytest.mark.train
@pytest.mark.parametrize(("classes", "width", "hidden"), [(3, 24, 2), (0, 16, 1), (4, 8, 0)])
def test_tables(classes: int, width: int, hidden: int, tmp_path: Path) -> None:
    from jobs.engine.export import dataless
    from jobs.engine.export.convert import Converter
    from jobs.engine.export.graph import inspect
    from jobs.engine.networks import table_network
    from tests.sizing.test_against_real_models import encoding

    coded = encoding(10, 3, (5, 2))
    model = table_network(coded, classes=classes or None, width=width, hidden=hidden, dropout=0.1).full
    shape = tuple(model.input_shape[1:])
    samples = dataless.vectors(shape, 32)
    with Converter(model, shape, tmp_path) as converter:
        content = converter.int8_core(samples, inspect(converter.fp32()).operators)
    data = Data(classes=classes, columns=coded.columns, numbers=10, flagged=3, categories=(5, 2))
    for lanes in LANES:
        assert_alike(content, table_net(data, width=width, hidden=hidden), roomy(lanes))


def test_a_memory_that_is_too_small_is_named_with_its_bytes() -> None:
    params = ImageClassifierParams(width=64)
    told = on_board(IMAGES.estimate(params, DIGITS), BOARD)
    taken = fpga.taken_bytes(BOARD, IMAGES.net(params, DIGITS), Memory.WEIGHTS)
    assert told.fits is Fits.TOO_LARGE
    assert told.reason.startswith(
        f"The model needs {taken:,} bytes for its weights and the engine of ULX3S (Lattice ECP5 12F) has 32,768:"
    )
    assert (told.model_bytes, told.holds_bytes, told.ram_bytes) == (
        taken,
        32_768,
        fpga.taken_bytes(BOARD, IMAGES.net(params, DIGITS), Memory.ACTIVATIONS),
    )


def test_what_fits_is_as_fast_as_its_cycles() -> None:
    params = ImageClassifierParams(width=8)
    told = on_board(IMAGES.estimate(params, DIGITS), BOARD)
    cycles = fpga.needs(IMAGES.net(params, DIGITS), BOARDS[BOARD.name].engine).cycles
    assert (told.fits, told.reason) == (Fits.FITS, "")
    assert told.latency_s == cycles / 75e6


def test_activations_alone_are_in_doubt() -> None:
    """A layer's place in the file's order may change what is alive at once; nothing else can be off."""
    params = ImageClassifierParams(width=8)
    estimate, engine = IMAGES.estimate(params, DIGITS), BOARDS[BOARD.name].engine
    words = fpga.needs(estimate.net, engine).words
    assert words[Memory.ACTIVATIONS] < engine.activation_words
    assert limit(estimate, BOARD, margin=1000.0).startswith("The model needs")
    assert "its activations" in limit(estimate, BOARD, margin=1000.0)


def shrunk(target: Target, data: Data, **asked: Any) -> ImageClassifierParams:
    found = fitted(IMAGES, ImageClassifierParams(**asked), data, [target], shrink=True).params
    assert isinstance(found, ImageClassifierParams)
    return found


@pytest.mark.parametrize("name", ["ulx3s-12f", "ulx3s-25f", "ulx3s-45f", "ulx3s-85f"])
def test_the_largest_that_fits_is_taken(name: str) -> None:
    target = next(each for each in FPGA if each.name == name)
    photos = Data(classes=10, side=64, channels=3)
    found = shrunk(target, photos, width=128)
    assert on_board(IMAGES.estimate(found, photos), target).fits is Fits.FITS
    wider = found.model_copy(update={"width": found.width + 4})
    assert limit(IMAGES.estimate(wider, photos), target)


def test_another_kind_of_network_is_named_where_one_fits() -> None:
    small = next(each for each in FPGA if each.name == "ice40-hx8k")
    said = "Not even the smallest residual network fits there; a separable or plain one does, made to fit"
    with pytest.raises(UnfitError, match=said):
        shrunk(small, DIGITS)
    for network in ("separable", "plain"):
        assert (
            on_board(IMAGES.estimate(shrunk(small, DIGITS, network=network), DIGITS), small).fits is Fits.FITS
        )


def test_what_no_net_of_the_recipe_fits_is_said() -> None:
    tiny = Data(classes=3000, side=64, channels=3)
    with pytest.raises(UnfitError, match="Not even the smallest network of this recipe fits there"):
        shrunk(BOARD, tiny, width=128)
