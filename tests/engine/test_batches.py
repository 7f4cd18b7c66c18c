import numpy as np
import pytest

from jobs.engine.data import Split
from jobs.engine.training.augment import Vary, mirrored, shifted
from jobs.engine.training.batches import Batches
from jobs.engine.training.rates import rate


def numbered(count: int) -> Split:
    return Split(np.arange(count, dtype=np.uint8).reshape(-1, 1), np.arange(count))


@pytest.mark.parametrize(("count", "size"), [(10, 3), (9, 3), (1, 1), (33, 32), (5, 5)])
def test_an_epoch_takes_every_sample_in_batches_of_one_size(count: int, size: int) -> None:
    batches = list(Batches(numbered(count), size, seed=1).from_position(0, 0))
    assert {len(batch.y) for batch in batches} == {size}
    assert set(np.concatenate([batch.y for batch in batches])) == set(range(count))
    assert len(batches) == -(-count // size)


def test_going_on_within_an_epoch_takes_what_would_have_come() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
    batches = Batches(Split(pictures, np.arange(40)), 8, 7, Vary(shift=2, mirror=True))
    whole = list(batches.from_position(3, 0))
    rest = list(batches.from_position(3, 2))
    assert all(
        np.array_equal(a.x, b.x) and np.array_equal(a.y, b.y) for a, b in zip(whole[2:], rest, strict=True)
    )


def test_epochs_and_seeds_differ() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        batches = Batches(numbered(50), 10, seed).from_position(epoch, 0)
        return [int(y) for batch in batches for y in batch.y]

    assert order(0, 0) != order(0, 1) != order(1, 1)
    assert order(0, 1) == order(0, 1)


def test_varied_pictures_keep_shape_and_origin() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (20, 6, 9, 3), dtype=np.uint8)
    before = pictures.copy()
    for vary in (lambda x, c: shifted(x, c, 2), mirrored):
        found = vary(pictures, np.random.default_rng(1))
        assert found.shape == pictures.shape
        assert found.dtype == np.uint8
        assert not np.array_equal(found, pictures)
    assert np.array_equal(pictures, before)


def test_a_shift_moves_the_picture_and_repeats_its_edge() -> None:
    row = np.arange(5, dtype=np.uint8).reshape(1, 1, 5, 1)
    found = {tuple(shifted(row, np.random.default_rng(seed), 1)[0, 0, :, 0]) for seed in range(30)}
    assert found == {(0, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 4)}


def test_the_rate_warms_up_and_falls() -> None:
    rates = [rate(step, steps=1000, most=0.5) for step in range(1000)]
    assert max(rates) == rates[100] == 0.5
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.005, rel=0.01)
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)
