"""What fits which board, by arithmetic: verdicts and their doubt, the search for the largest, latencies, reports."""

import re
from dataclasses import replace

import pytest

from hardware.targets.profiles import Target
from hardware.targets.registry import TARGETS
from hardware.targets.speeds import latency_s
from jobs.engine.recipes.image_classifier import ImageClassifierParams, picture_shape
from jobs.engine.recipes.registry import RECIPES
from jobs.engine.recipes.sizing.boards import Fits, on_board, surely_fits
from jobs.engine.recipes.sizing.data import Data, from_report
from jobs.engine.recipes.sizing.fitting import UnfitError, fitted
from jobs.engine.recipes.sizing.images import NetworkName
from jobs.engine.recipes.sizing.search import downwards
from jobs.engine.recipes.tables import TableClassifierParams

NANO, PI, F746 = (TARGETS[name] for name in ("arduino-nano-33-ble-sense", "raspberry-pi-4", "stm32f746"))
IMAGES, TABLES = RECIPES["image-classifier"].sizing, RECIPES["table-classifier"].sizing
PHOTOS = Data(classes=10, side=300, channels=3)
WINE = Data(classes=3, columns=13, numbers=13)


def with_memory(target: Target, count: int) -> Target:
    return replace(target, ram_free_bytes=count)


def test_doubt_lies_between_what_fits_and_what_does_not() -> None:
    told = IMAGES.estimate(ImageClassifierParams(), PHOTOS)
    needed = on_board(told, NANO).ram_bytes
    found = [
        on_board(told, with_memory(NANO, round(needed * share))).fits for share in (0.8, 0.99, 1.0, 1.01, 1.2)
    ]
    assert found == [Fits.TOO_LARGE, Fits.CLOSE, Fits.CLOSE, Fits.CLOSE, Fits.FITS]
    assert "needs" in on_board(told, with_memory(NANO, needed // 2)).reason
    assert on_board(told, NANO).reason == ""


def test_flash_counts_too() -> None:
    told = IMAGES.estimate(ImageClassifierParams(width=64, image_size=16), PHOTOS)
    assert on_board(told, replace(F746, flash_bytes=told.int8_bytes // 2)).fits is Fits.TOO_LARGE


def test_a_latency_is_work_by_clock_and_kernel() -> None:
    # 7.49 million multiply-accumulates took 930 ms there: the figure that it goes by.
    assert latency_s(NANO, 7_490_000) == pytest.approx(0.930)
    assert latency_s(NANO, 7_490_000, factor=1.5) == pytest.approx(1.395)
    assert latency_s(PI, 569_000_000) == pytest.approx(0.024)
    assert latency_s(TARGETS["browser"], 10) is None


@pytest.mark.parametrize("network", ["residual", "separable", "plain"])
def test_the_largest_that_fits_all_is_taken(network: NetworkName) -> None:
    asked = ImageClassifierParams(width=64, image_size=96, network=network)
    found = IMAGES.largest(asked, PHOTOS, [PI, NANO])
    assert isinstance(found, ImageClassifierParams)
    assert found.network == network
    assert surely_fits(IMAGES.estimate(found, PHOTOS), NANO)
    best = IMAGES.estimate(found, PHOTOS).macs
    for side in downwards(96, 8, 8):
        for width in downwards(64, 4, 4):
            told = IMAGES.estimate(asked.model_copy(update={"width": width, "image_size": side}), PHOTOS)
            assert told.macs <= best or not surely_fits(told, NANO), (side, width)


@pytest.mark.parametrize(
    ("shape", "asked", "expected"),
    [
        ((49, 10), None, (49, 10)),
        ((10, 49), 20, (20, 98)),
        ((300, 200), None, (144, 96)),
        ((10, 4000), None, (10, 512)),
        (None, 24, (24, 24)),
    ],
)
def test_pictures_may_keep_their_shape(
    shape: tuple[int, int] | None, asked: int | None, expected: tuple[int, int]
) -> None:
    data = Data(classes=2, side=min(shape or (9,)), shape=shape, channels=1)
    assert picture_shape(ImageClassifierParams(shape="kept", image_size=asked), data) == expected
    side = asked or min(96, data.side)
    assert picture_shape(ImageClassifierParams(image_size=asked), data) == (side, side)


def test_kept_shapes_are_made_smaller_too() -> None:
    long = Data(classes=10, side=64, shape=(256, 64), channels=1)
    asked = ImageClassifierParams(width=64, shape="kept", network="separable")
    found = fitted(IMAGES, asked, long, [NANO], shrink=True)
    assert isinstance(found.params, ImageClassifierParams)
    height, width = picture_shape(found.params, long)
    assert height == 4 * width
    assert surely_fits(found.estimate, NANO)
    assert on_board(IMAGES.estimate(asked, long), NANO).fits is Fits.TOO_LARGE


def test_what_fits_stays_as_it_was_asked() -> None:
    asked = ImageClassifierParams(width=8)
    kept = fitted(IMAGES, asked, PHOTOS, [NANO], shrink=True)
    assert kept.params is asked
    assert (kept.asked, kept.chosen, kept.sentence, kept.limits) == ({}, {}, "", ())


def test_what_was_made_smaller_is_said() -> None:
    found = fitted(IMAGES, ImageClassifierParams(width=64), PHOTOS, [NANO], shrink=True)
    assert found.asked == {"width": 64, "image_size": 96}
    assert found.sentence == (
        f"To fit Arduino Nano 33 BLE Sense, width 64 became {found.chosen['width']} and image size 96 became "
        f"{found.chosen['image_size']}."
    )
    assert found.boards[0].fits is Fits.FITS
    [lacks] = found.limits
    assert re.fullmatch(
        r"The model needs \d[\d,]* KiB of memory for its activations and Arduino Nano 33 BLE Sense has about "
        r"160 KiB free",
        lacks,
    )


def test_only_boards_that_lack_something_are_named_as_limits() -> None:
    found = fitted(IMAGES, ImageClassifierParams(width=64), PHOTOS, [PI, NANO, F746], shrink=True)
    assert [lacks.partition(" and ")[2].partition(" has ")[0] for lacks in found.limits] == [
        "Arduino Nano 33 BLE Sense",
        "STM32F746",
    ]
    flash = replace(F746, flash_bytes=260 << 10, ram_free_bytes=100 << 20)
    [lacks] = fitted(IMAGES, ImageClassifierParams(width=64), PHOTOS, [flash], shrink=True).limits
    assert "of flash, the program around it about 192 KiB, and STM32F746 has 260 KiB" in lacks


def test_what_was_made_smaller_before_is_still_said() -> None:
    """The portal shrinks at submission, the engine looks again: it tells of both."""
    asked = ImageClassifierParams(width=64)
    before = fitted(IMAGES, asked, PHOTOS, [NANO], shrink=True)
    again = fitted(
        IMAGES, before.params, PHOTOS, [NANO], shrink=True, asked=asked.model_copy(update=before.asked)
    )
    assert again.params == before.params
    assert (again.asked, again.chosen, again.sentence, again.limits) == (
        before.asked, before.chosen, before.sentence, before.limits,
    )  # fmt: skip


def test_a_refusal_says_what_would_fit() -> None:
    with pytest.raises(
        UnfitError, match=r"Arduino Nano.*It would fit with width \d+ or image size \d+;"
    ) as refused:
        fitted(IMAGES, ImageClassifierParams(width=64), PHOTOS, [NANO], shrink=False)
    for name, value in refused.value.most.items():
        params = ImageClassifierParams(**{"width": 64, name: value})
        assert surely_fits(IMAGES.estimate(params, PHOTOS), NANO)


def test_nothing_may_be_small_enough() -> None:
    tiny = with_memory(NANO, 2048)
    with pytest.raises(UnfitError, match="Not even the smallest"):
        fitted(IMAGES, ImageClassifierParams(), PHOTOS, [tiny], shrink=True)


def test_tables_lose_layers_or_neurons() -> None:
    asked = TableClassifierParams(width=1024, layers=8)
    found = fitted(TABLES, asked, WINE, [NANO], shrink=True)
    assert isinstance(found.params, TableClassifierParams)
    assert set(found.chosen) <= {"width", "layers"}
    assert found.boards[0].fits is Fits.FITS
    assert "hidden layers" in found.sentence or "width" in found.sentence


def test_the_widest_tables_are_searched_quickly() -> None:
    import time

    wide = Data(classes=3, columns=2000, numbers=1000, flagged=500, categories=(20,) * 1000)
    began = time.process_time()
    with pytest.raises(UnfitError):
        fitted(TABLES, TableClassifierParams(width=1024, layers=8), wide, [NANO], shrink=True)
    assert time.process_time() - began < 1


def test_steps_down_end_where_they_must() -> None:
    assert downwards(20, 8, 8) == (20, 16, 8)
    assert downwards(16, 8, 8) == (16, 8)
    assert downwards(8, 8, 8) == (8,)
    assert downwards(6, 8, 8) == (6,)


def test_a_report_tells_what_decides_the_size() -> None:
    looks: dict[str, object] = {"side": 48, "coloured": False}
    assert from_report({"classes": {"a": 1, "b": 2}, "pictures": looks}) == Data(
        classes=2, side=48, channels=1
    )
    looks |= {"height": 50, "width": 90}
    assert from_report({"classes": {"a": 1, "b": 2}, "pictures": looks}) == Data(
        classes=2, side=48, shape=(50, 90), channels=1
    )
    columns = [
        {"name": "a", "type": "number", "role": "feature", "missing": 0, "different": 9},
        {"name": "b", "type": "number", "role": "feature", "missing": 2, "different": 9},
        {"name": "c", "type": "category", "role": "feature", "missing": 1, "different": 5},
        {"name": "d", "type": "ignored", "role": "ignored", "missing": 0, "different": 1},
        {"name": "y", "type": "number", "role": "label", "missing": 0, "different": 9},
    ]
    assert from_report({"classes": {}, "columns": columns}) == Data(
        classes=0, columns=3, numbers=2, flagged=1, categories=(5,)
    )


@pytest.mark.parametrize("report", [{}, {"samples": 9}, {"samples": 9, "classes": {"a": 1, "b": 2}}])
def test_versions_of_before_tell_nothing(report: dict[str, object]) -> None:
    assert from_report(report) is None
