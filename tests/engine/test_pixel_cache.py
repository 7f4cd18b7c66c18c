import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from jobs.datasets.formats.images import read_pixels
from jobs.engine.data import Arrays, load, open_index
from jobs.engine.ends import BadDataError
from jobs.engine.pixels import ASIDE, LEFT_BEHIND_S


def opened(data: Path, cache: Path, key: str = "k") -> Arrays:
    return load(data, cache, key, size=(8, 8), channels=3)


def test_every_picture_lies_where_its_name_and_label_say(few_digits: Path, tmp_path: Path) -> None:
    arrays = opened(few_digits, tmp_path)
    index = open_index(few_digits)
    assert index["kind"] == "images"
    direct = dict(read_pixels(few_digits / "upload", index, size=(8, 8), channels=3))
    seen = 0
    for split in ("train", "validation", "test"):
        x, y = arrays.split(split)
        for place, number in enumerate(arrays.numbers[split]):
            sample = index["samples"][number]
            assert (sample["split"], sample["label"]) == (split, y[place])
            assert arrays.names(split)[place] == sample["name"]
            assert np.array_equal(x[place], direct[int(number)])
            seen += 1
    assert seen == len(index["samples"]) == 300


def _load_in_process(data: Path, cache: Path, start: float) -> int:
    time.sleep(max(0.0, start - time.time()))
    return int(np.asarray(opened(data, cache).train.x, dtype=np.int64).sum())


def test_many_processes_may_fill_one_cache_at_once(few_digits: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sums = pool.starmap(_load_in_process, [(few_digits, tmp_path, time.time() + 1.5)] * 6, chunksize=1)
    assert len(set(sums)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pixels-8x8x3"]


@pytest.mark.parametrize("damage", ["cut short", "no description", "another version"])
def test_a_cache_that_is_not_whole_is_made_anew(few_digits: Path, tmp_path: Path, damage: str) -> None:
    good = np.array(opened(few_digits, tmp_path).train.x)
    folder = tmp_path / "pixels-8x8x3"
    if damage == "cut short":
        os.truncate(folder / "x.bin", 1000)
    elif damage == "no description":
        (folder / "meta.json").unlink()
    else:
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps({**meta, "key": "other"}))
        (folder / "x.bin").write_bytes(bytes((folder / "x.bin").stat().st_size))
    assert np.array_equal(opened(few_digits, tmp_path).train.x, good)


def test_breaking_off_leaves_nothing_behind(few_digits: Path, tmp_path: Path) -> None:
    def refuse(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        load(few_digits, tmp_path, "k", size=(8, 8), channels=3, on_progress=refuse)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writers_left_is_removed_after_a_day(few_digits: Path, tmp_path: Path) -> None:
    old, young = tmp_path / f"{ASIDE}old", tmp_path / f"{ASIDE}young"
    old.mkdir()
    young.mkdir()
    past = time.time() - LEFT_BEHIND_S - 60
    os.utime(old, (past, past))
    opened(few_digits, tmp_path)
    assert young.exists()
    assert not old.exists()


def test_a_damaged_version_is_bad_data(few_digits: Path, tmp_path: Path) -> None:
    (tmp_path / "index.json.gz").write_bytes(b"not gzip")
    with pytest.raises(BadDataError, match="upload the data again"):
        opened(tmp_path, tmp_path / "cache")


def test_representative_samples_come_from_the_training_split(few_digits: Path, tmp_path: Path) -> None:
    arrays = opened(few_digits, tmp_path)
    found = arrays.representative(10, seed=1)
    assert found.shape == (10, 8, 8, 3)
    assert found.dtype == np.float32
    train = {picture.tobytes() for picture in np.asarray(arrays.train.x, dtype=np.float32)}
    assert all(picture.tobytes() in train for picture in found)
    assert np.array_equal(found, arrays.representative(10, seed=1))
