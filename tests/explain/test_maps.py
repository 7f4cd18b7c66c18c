"""Integrated gradients, the deletion test, and the drawing of a map: numpy alone."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from jobs.engine.events import Reporter, Wish
from jobs.engine.explain import deletion, drawing
from jobs.engine.explain.integrated import IntegratedGradients
from jobs.engine.explain.pictures import Shown, attribution_maps, blurred
from jobs.engine.explain.watch import Watch

CHANCE = np.random.default_rng(0)
SHAPE = (6, 6, 1)
# Class 1 reads one pixel, class 0 is what is left.
PLACE = 14


def answers(x: np.ndarray) -> np.ndarray:
    one = np.clip(x.reshape(len(x), -1)[:, PLACE].astype(np.float32) / 255, 0, 1)
    return np.stack([1 - one, one], axis=1)


def slopes(x: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    found = np.zeros(x.shape, np.float32)
    found.reshape(len(x), -1)[:, PLACE] = np.where(outputs == 1, 1, -1) / 255
    return found


@pytest.mark.parametrize(("steps", "batch"), [(16, 16), (16, 5), (7, 32)])
def test_attributions_of_a_quadratic_are_exact_and_add_up(steps: int, batch: int) -> None:
    """f = Σ w x²: the midpoint rule is exact on its linear gradient, however the points are cut into batches."""
    x, baseline, weights = CHANCE.normal(size=(3, 4, 4, 2)).astype(np.float32)
    sizes: list[int] = []

    def gradients(points: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        sizes.append(len(points))
        assert (outputs == 3).all()
        return 2 * weights * points

    found = IntegratedGradients(gradients, steps=steps, batch=batch)(x, baseline, 3)
    assert np.allclose(found, weights * (x**2 - baseline**2), atol=1e-4)
    assert set(sizes) == {batch}, "another size would be another graph to build"


def test_the_score_is_the_area_that_is_lost() -> None:
    assert deletion.score(np.linspace(0.8, 0, 21)) == pytest.approx(0.5)
    assert deletion.score(np.array([0.9, *[0.0] * 20])) == pytest.approx(1 - 0.5 / 20)
    assert deletion.score(np.full(21, 0.7)) == 0
    assert deletion.score(np.array([0.5, 1.0])) < 0


def test_pixels_go_in_the_order_given_whole_and_all() -> None:
    x, baseline = np.full((2, 2, 3), 9, np.uint8), np.zeros((2, 2, 3), np.uint8)
    left = list(deletion.pieces(x, baseline, np.array([3, 0, 1, 2]), parts=4))
    assert [piece.reshape(4, 3).all(axis=1).tolist() for piece in left] == [
        [True, True, True, True],
        [True, True, True, False],
        [False, True, True, False],
        [False, False, True, False],
        [False, False, False, False],
    ]
    assert (x == 9).all(), "the picture itself stays"


def watch(wish: Wish | None = None, **more: float) -> Watch:
    return Watch(Reporter(lambda _event: None, wish or Wish()), **more)


def shown(count: int = 40) -> Shown:
    x = CHANCE.integers(0, 255, (count, *SHAPE), dtype=np.uint8)
    y = (x.reshape(count, -1)[:, PLACE] > 127).astype(np.int64)
    y[::5] = 1 - y[::5]  # eight that it gets wrong
    return Shown(x, answers(x), y, ["no", "yes"], [f"{place}.png" for place in range(count)])


def test_maps_name_the_pixel_that_is_read_and_the_test_says_so() -> None:
    given = shown()
    found = attribution_maps(IntegratedGradients(slopes), answers, given, seed=0, watch=watch())
    assert [row["right"] for row in found["examples"]].count(False) == 8
    assert len(found["examples"]) == 20
    assert found["deletion"]["convincing"] is True
    assert found["deletion"]["score"] > 1.5 * found["deletion"]["random"] > 0
    sure = [row["confidence"] for row in found["examples"] if not row["right"]]
    assert max(sure) == sure[0]
    for row in found["examples"]:
        place = int(row["name"].removesuffix(".png"))
        assert row["label"] == given.labels[given.y[place]]
        assert (row["predicted"] == row["label"]) is row["right"]


def test_maps_that_point_elsewhere_do_not_convince() -> None:
    def elsewhere(x: np.ndarray, _outputs: np.ndarray) -> np.ndarray:
        found = np.zeros(x.shape, np.float32)
        found.reshape(len(x), -1)[:, (PLACE + 9) % 36] = 1
        return found

    found = attribution_maps(IntegratedGradients(elsewhere), answers, shown(), seed=0, watch=watch())
    assert found["deletion"]["convincing"] is False


def test_when_time_is_up_what_there_is_is_kept_wrong_and_right() -> None:
    wish, times = Wish(), iter(range(100))
    told = Watch(Reporter(lambda _event: None, wish), seconds=4, clock=lambda: float(next(times)))
    found = attribution_maps(IntegratedGradients(slopes), answers, shown(), seed=0, watch=told)
    assert [row["right"] for row in found["examples"]] == [False, True, False]
    assert found["examples_left_out"] == 17
    none = attribution_maps(IntegratedGradients(slopes), answers, shown(), seed=0, watch=watch(seconds=0))
    assert (none["examples"], none["deletion"]) == ([], None)


@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), (16, 8)), ((300, 200, 3), (170, 128))])
def test_a_drawing_shows_picture_and_map(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    picture = CHANCE.integers(0, 255, shape, dtype=np.uint8)
    strengths = np.zeros(shape[:2], np.float32)
    strengths[: shape[0] // 2], strengths[shape[0] // 2 :] = 1, -1
    content = base64.b64decode(drawing.side_by_side(picture, strengths))
    drawn = Image.open(io.BytesIO(content))
    assert (drawn.format, drawn.size) == ("WEBP", size)
    pixels = np.asarray(drawn.convert("RGB"), dtype=int)
    width = size[0] // 2
    if size[1] == 8:
        assert (pixels[:, :width] == picture).all(), "the smallest are kept exactly"
    red, blue = pixels[:, width + 1 :, 0].mean(axis=1), pixels[:, width + 1 :, 2].mean(axis=1)
    assert red[1] - blue[1] > 100 > -100 > red[-2] - blue[-2]


def test_a_map_of_nothing_is_drawn_without_a_warning() -> None:
    drawing.side_by_side(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32))


def test_blurring_takes_details_and_leaves_the_rest() -> None:
    board = np.indices((24, 24)).sum(axis=0) % 2 * 255
    picture = np.stack([board, 255 - board, board * 0 + 40], axis=-1).astype(np.uint8)
    found = blurred(picture).astype(int)
    assert (found.shape, picture.shape) == ((24, 24, 3), (24, 24, 3))
    assert np.ptp(found[..., 0]) < 30
    assert abs(found[..., 0].mean() - 127) < 5
    assert (found[..., 2] == 40).all()
