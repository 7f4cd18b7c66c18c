"""What the fast kernels of boards take of the arena, by the formulas of the libraries' own sources."""

from pathlib import Path

import numpy as np
import pytest

from hardware.targets.kernels import Convolution, Pair, padding_before, scratch_bytes
from hardware.targets.litert.file import read
from hardware.targets.profiles import Kernels
from hardware.targets.registry import TARGETS
from jobs.engine.export.microcontroller.packaging import checked
from jobs.engine.export.microcontroller.scratch import beyond
from tests.export.test_microcontrollers import as_int8


def same(
    side: int,
    channels: int,
    outputs: int,
    *,
    kernel: int = 3,
    strides: int = 1,
    depthwise: bool = False,
    value_bytes: int = 1,
) -> Convolution:
    """On a square map, padded as TensorFlow's SAME."""

    def pair(value: int) -> Pair:
        return value, value

    made = -(-side // strides)
    return Convolution(
        sides=pair(side),
        channels=channels,
        kernel=pair(kernel),
        strides=pair(strides),
        before=padding_before(pair(side), pair(made), pair(kernel), pair(strides)),
        made=pair(made),
        outputs=outputs,
        depthwise=depthwise,
        value_bytes=value_bytes,
    )


def by_hand(case: str) -> tuple[Convolution, int]:
    """A convolution, and what the release of ESP-NN that asks for the most asks for, term by term as its source."""
    return {
        # Padded input, filter with its channels and with its rows filled up, padded input again, 32, offsets.
        "3 x 3": (same(32, 16, 16), 34 * 34 * 16 + 9 * 16 * 16 + 48 * 3 * 16 + 34 * 34 * 16 + 32 + 16 * 4),
        "3 x 3 by 2": (same(32, 16, 32, strides=2), 9 * 16 * 32 + 48 * 3 * 32 + 34 * 34 * 16 + 32 + 32 * 4),
        "5 x 5": (same(9, 6, 4, kernel=5), 2 * 13 * 13 * 6 + 25 * 16 * 4 + 32 * 5 * 4 + 32 + 4 * 4),
        # Sixteen windows, and the panel that their products are put together in.
        "3 x 3 on a small map": (same(8, 16, 16), 16 * 144 + (24 * 144 + 16 * 1024 + 64) + 32),
        "3 x 3 of few channels": (same(32, 3, 16), 34 * 34 * 3 + 9 * 16 * 16 + 32 + 16 * 4),
        "1 x 1": (same(16, 16, 32, kernel=1), 16 * 32 + 2 * 8 * 16 + 32),
        "1 x 1 of odd channels": (same(16, 9, 4, kernel=1), 16 * 16 * 16 + 16 * 4 + 2 * 8 * 16 + 32),
        "1 x 1 with a large filter": (same(4, 256, 128, kernel=1), 256 * 128 + 2 * 8 * 256 + 32),
        "depthwise": (same(24, 16, 16, depthwise=True), 9 * 16 + 26 * 26 * 16 + 16),
        "depthwise 5 x 5": (same(10, 8, 8, kernel=5, depthwise=True), 2 * (25 * 8 + 100 * 8) + 32),
        "depthwise of 24": (
            same(10, 24, 24, depthwise=True), 9 * 32 + 14 * 14 * 32 + 10 * 10 * 32 + 3 * 32 * 4 + 64
        ),
        "depthwise of 4": (
            same(10, 4, 4, depthwise=True), 2 * 9 * 8 + 2 * 100 * 8 + 100 * 8 + 3 * 8 * 4 + 16
        ),
        "depthwise, four times": (same(10, 8, 32, depthwise=True), 2 * (9 * 32 + 100 * 8) + 32),
        "depthwise of a large map": (
            same(64, 8, 8, kernel=5, depthwise=True), 2 * 25 * 8 + 2 * 64 * 5 * 8 + 32
        ),
    }[case]  # fmt: skip


CASES = (
    "3 x 3", "3 x 3 by 2", "5 x 5", "3 x 3 on a small map", "3 x 3 of few channels", "1 x 1", "1 x 1 of odd channels",
    "1 x 1 with a large filter", "depthwise", "depthwise 5 x 5", "depthwise of 24", "depthwise of 4",
    "depthwise, four times", "depthwise of a large map",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_esp_nn_gets_what_its_source_asks_for(case: str) -> None:
    convolution, asked = by_hand(case)
    told = scratch_bytes(Kernels.ESP_NN, convolution)
    assert asked <= told
    if case != "3 x 3 of few channels":  # there one bound serves releases that go about it in unlike ways
        assert told <= asked + 64


def test_esp_nn_has_no_kernels_of_16_bits() -> None:
    assert scratch_bytes(Kernels.ESP_NN, same(32, 16, 16, value_bytes=2)) == 0


def test_cmsis_nn_unfolds_windows_as_int16() -> None:
    found = [
        scratch_bytes(Kernels.CMSIS_NN, each)
        for each in (
            same(32, 16, 16), same(32, 3, 16), same(10, 8, 8, kernel=5, depthwise=True), same(9, 2, 4, depthwise=True)
        )
    ]  # fmt: skip
    assert found == [2 * 2 * 144, 2 * 2 * 28, 2 * 8 * 25, 0]


def test_the_reference_kernels_take_nothing() -> None:
    assert scratch_bytes(Kernels.REFERENCE, same(32, 16, 16)) == 0


@pytest.mark.train
def test_an_esp32_s3_gets_an_arena_for_its_own_kernels(tmp_path: Path) -> None:
    """The recipe's net for pictures of 32 × 32. Its peak is where filters are large, no more where maps are."""
    from jobs.engine.export.convert import Converter
    from jobs.engine.export.trial import give_weights
    from jobs.engine.networks import image_network

    model = image_network((32, 32, 3), classes=10, width=16, dropout=0.0).full
    give_weights(model)
    samples = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    with Converter(model, (32, 32, 3), tmp_path) as converter:
        content = converter.int8_throughout(samples)
    board, nano = (checked(content, TARGETS[name]) for name in ("esp32-s3", "arduino-nano-33-ble-sense"))
    _, asked = by_hand("3 x 3")
    assert asked < board.scratch
    assert board.reserved >= board.arena + board.scratch
    assert nano.reserved < board.reserved - asked


@pytest.mark.train
def test_a_depthwise_convolution_counts_too(tmp_path: Path) -> None:
    """Of 5 × 5 and 64 channels, while two maps of 5 × 4 live: the net's peak."""
    from keras import Input, Model, layers

    x = source = Input((17, 13, 3))
    x = layers.Conv2D(64, 1, strides=4, padding="same")(x)
    x = layers.DepthwiseConv2D(5, padding="same")(x)
    net = read(as_int8(Model(source, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))), tmp_path))
    assert beyond(net, Kernels.CMSIS_NN) == 2 * 64 * 25
    assert beyond(net, Kernels.ESP_NN) >= 2 * (64 * 25 + 5 * 4 * 64)
    assert beyond(net, Kernels.REFERENCE) == 0
