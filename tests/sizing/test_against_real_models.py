"""The arithmetic of sizes, held against models that are really built, converted and measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.targets.kernels import Pair
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.estimate import (
    ARENA_SLACK,
    ARENA_TOLERANCE,
    BYTES_SLACK,
    BYTES_TOLERANCE,
    Estimate,
    estimate,
)
from jobs.engine.recipes.sizing.images import NetworkName, image_net
from jobs.engine.recipes.sizing.tables import table_net
from jobs.engine.tables import TableEncoding

pytestmark = pytest.mark.train
# The network, its (height, width) and channels, how many classes, the width
PICTURES: list[tuple[NetworkName, Pair, int, int, int]] = [
    ("residual", (8, 8), 1, 10, 16), ("residual", (28, 28), 3, 100, 12), ("residual", (65, 65), 3, 5, 8),
    ("residual", (49, 10), 1, 5, 8),
    ("separable", (8, 8), 3, 10, 16), ("separable", (49, 10), 1, 10, 64), ("separable", (20, 66), 3, 5, 12),
    ("plain", (8, 8), 1, 10, 16), ("plain", (28, 28), 1, 10, 8), ("plain", (45, 33), 3, 5, 12),
]  # fmt: skip
NETWORKS: tuple[NetworkName, ...] = ("residual", "separable", "plain")
# numbers, of which with gaps, categories of each other column, classes (0: a number), width, hidden layers
TABLES = [
    (4, 0, (), 3, 64, 2), (10, 3, (5, 2), 2, 32, 0), (0, 0, (4, 7, 9), 0, 16, 3), (30, 5, (60,) * 4, 0, 256, 2),
]  # fmt: skip


def encoding(numbers: int, flagged: int, categories: tuple[int, ...]) -> TableEncoding:
    return TableEncoding(
        columns=numbers + len(categories),
        numbers=tuple(range(numbers)),
        means=np.linspace(1, 2, numbers).astype(np.float32),
        factors=np.linspace(0.5, 1, numbers).astype(np.float32),
        flagged=tuple(range(flagged)),
        categories=tuple((numbers + place, count) for place, count in enumerate(categories)),
        target_mean=3.0,
        target_scale=2.0,
    )


def off(real: int, told: int) -> int:
    return abs(real - told)


def assert_close(model: Any, told: Estimate, scratch: Path) -> None:
    """Within the tolerances by which a job is refused or let pass."""
    from hardware.targets.litert.file import read
    from hardware.targets.profiles import Kernels
    from jobs.engine.export import dataless
    from jobs.engine.export.convert import Converter
    from jobs.engine.export.graph import inspect
    from jobs.engine.export.microcontroller.scratch import beyond
    from jobs.engine.export.microcontroller.tflm import Micro
    from jobs.engine.export.trial import give_weights

    give_weights(model)
    shape = tuple(model.input_shape[1:])
    samples = dataless.vectors(shape, 4).astype(np.float32)
    with Converter(model, shape, scratch) as converter:
        fp32 = converter.fp32()
        pictures = len(shape) == 3
        int8 = converter.int8(samples) if pictures else converter.int8_core(samples, inspect(fp32).operators)
        micro = converter.int8_throughout(samples) if pictures else int8
    files = [(len(int8), told.int8_bytes), (len(micro), told.int8_bytes), (len(fp32), told.fp32_bytes)]
    assert [off(*each) for each in files if off(*each) > BYTES_TOLERANCE * each[1] + BYTES_SLACK] == []
    memory = [
        (Micro(micro).arena_bytes(), told.arena_bytes), (inspect(int8).arena_bytes, told.litert_bytes)
    ]  # fmt: skip
    assert [off(*each) for each in memory if off(*each) > ARENA_TOLERANCE * each[1] + ARENA_SLACK] == []
    assert {kernels: beyond(read(micro), kernels) for kernels in Kernels} == told.scratch


@pytest.mark.parametrize(("network", "sides", "channels", "classes", "width"), PICTURES)
def test_pictures(
    network: NetworkName, sides: Pair, channels: int, classes: int, width: int, tmp_path: Path
) -> None:
    from jobs.engine.networks import image_network

    shape = (*sides, channels)
    model = image_network(shape, classes=classes, width=width, dropout=0.2, network=network).full
    told = estimate(image_net(sides, channels, classes=classes, width=width, network=network))
    assert model.count_params() == told.parameters
    assert_close(model, told, tmp_path)


@pytest.mark.parametrize(("numbers", "flagged", "categories", "classes", "width", "hidden"), TABLES)
def test_tables(
    numbers: int,
    flagged: int,
    categories: tuple[int, ...],
    classes: int,
    width: int,
    hidden: int,
    tmp_path: Path,
) -> None:
    from jobs.engine.networks import table_network

    coded = encoding(numbers, flagged, categories)
    model = table_network(coded, classes=classes or None, width=width, hidden=hidden, dropout=0.1).full
    data = Data(
        classes=classes, columns=coded.columns, numbers=numbers, flagged=flagged, categories=categories
    )
    told = estimate(table_net(data, width=width, hidden=hidden))
    assert model.count_params() == told.parameters
    assert_close(model, told, tmp_path)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("side", [*range(8, 20), 31, 32, 33, 63, 64, 65, 66, 96, 127, 128, 129, 191, 320])
def test_every_picture_size_has_the_stages_that_are_counted(side: int, network: NetworkName) -> None:
    from jobs.engine.networks import image_network

    for sides in ((side, side), (2 * side, side)):
        model = image_network((*sides, 3), classes=3, width=4, dropout=0.0, network=network).full
        told = estimate(image_net(sides, 3, classes=3, width=4, network=network))
        assert model.count_params() == told.parameters


@pytest.mark.parametrize(
    ("network", "last", "depths"),
    [
        ("residual", "_out", [1, 2, 3, 5, 4]),
        ("separable", "_pointwise_relu", [1, 2, 3, 6, 4]),
        ("plain", "_pool", [1, 2, 3, 5, 3]),
    ],
)
def test_a_network_is_as_deep_as_was_asked(network: NetworkName, last: str, depths: list[int]) -> None:
    """As far as there is a map to be halved; `None` is what the pictures' size asks for."""
    from jobs.engine.networks import image_network, parts

    for asked, expected in zip((1, 2, 3, 6, None), depths, strict=True):
        more: dict[str, Any] = {"classes": 3, "width": 4, "network": network, "depth": asked}
        model = image_network((40, 40, 3), dropout=0.0, **more).full
        names = [layer.name for layer in parts(model).core.layers]
        assert sum(name.endswith(last) for name in names) == expected
        assert model.count_params() == estimate(image_net((40, 40), 3, **more)).parameters
