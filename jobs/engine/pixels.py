"""Pictures decoded once per node: one folder per (version, size, channels), written aside and renamed into place."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.images import ImageIndex, read_pixels
from jobs.engine.ends import BadDataError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
UPLOAD_FILE = "upload"
FORMAT = 1
ASIDE = ".writing-"
LEFT_BEHIND_S = 86_400
_PROGRESS_EVERY = 64


@dataclass(frozen=True)
class Pixels:
    """All pictures of a version, ordered by split: `parts[split]` is the slice that a split takes."""

    x: NDArray[np.uint8]  # [n, height, width, channels]
    y: NDArray[np.int64]
    numbers: NDArray[np.int64]  # the place of each in the index's samples
    parts: dict[SplitName, slice]


@dataclass(frozen=True)
class _Plan:
    """What a cache folder must hold."""

    meta: dict[str, Any]
    shape: tuple[int, int, int, int]
    y: NDArray[np.int64]
    numbers: NDArray[np.int64]
    parts: dict[SplitName, slice]


def open_pixels(
    data_dir: Path,
    cache_dir: Path,
    key: str,
    index: ImageIndex,
    *,
    size: tuple[int, int],
    channels: int,
    on_progress: Callable[[float], None] | None = None,
) -> Pixels:
    """The version's pixels, from the cache when it is whole, else decoded into it first.

    Writers work in folders of their own and the first rename wins: readers never see a partial cache, and a killed
    writer leaves nothing but a folder that is removed when it is a day old.
    """
    plan = _plan(key, index, size, channels)
    folder = cache_dir / f"pixels-{size[0]}x{size[1]}x{channels}"
    found = _open(folder, plan)
    if found is None:
        _write(folder, plan, lambda target: _decode(data_dir / UPLOAD_FILE, target, index, plan, on_progress))
        found = _open(folder, plan)
    if found is None:
        raise OSError(f"the pixel cache at {folder} does not read back as it was written")
    return Pixels(found, plan.y, plan.numbers, plan.parts)


def _plan(key: str, index: ImageIndex, size: tuple[int, int], channels: int) -> _Plan:
    samples = index["samples"]
    split = np.array([SPLITS.index(sample["split"]) for sample in samples], dtype=np.int64)
    numbers = np.argsort(split, kind="stable").astype(np.int64)
    y = np.array([sample["label"] for sample in samples], dtype=np.int64)[numbers]
    ends = np.searchsorted(split[numbers], np.arange(len(SPLITS) + 1))
    parts = {name: slice(int(ends[i]), int(ends[i + 1])) for i, name in enumerate(SPLITS)}
    shape = (len(samples), *size, channels)
    meta = {"format": FORMAT, "key": key, "shape": list(shape), "dtype": "uint8"}
    return _Plan(meta, shape, y, numbers, parts)


def _open(folder: Path, plan: _Plan) -> NDArray[np.uint8] | None:
    """The cached pixels, or None when there are none, or they are another version's or cut short."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        whole = (folder / "x.bin").stat().st_size == int(np.prod(plan.shape))
    except (OSError, ValueError):
        return None
    if meta != plan.meta or not whole:
        return None
    return np.memmap(folder / "x.bin", dtype=np.uint8, mode="r", shape=plan.shape)


def _write(folder: Path, plan: _Plan, decode: Callable[[Path], None]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder.parent))
    try:
        decode(aside / "x.bin")
        (aside / "meta.json").write_text(json.dumps(plan.meta))
        _settle(aside)
        _put(aside, folder, plan)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _decode(
    upload: Path, target: Path, index: ImageIndex, plan: _Plan, on_progress: Callable[[float], None] | None
) -> None:
    total, height, width, channels = plan.shape
    place = np.empty(total, dtype=np.int64)
    place[plan.numbers] = np.arange(total)
    _reserve(target, total * height * width * channels)
    x = np.memmap(target, dtype=np.uint8, mode="r+", shape=plan.shape)
    seen = np.zeros(total, dtype=bool)
    for done, (number, pixels) in enumerate(
        read_pixels(upload, index, size=(height, width), channels=channels), start=1
    ):
        x[place[number]] = pixels
        seen[number] = True
        if on_progress is not None and done % _PROGRESS_EVERY == 0:
            on_progress(done / total)
    x.flush()
    if not seen.all():
        name = index["samples"][int(np.flatnonzero(~seen)[0])]["name"]
        raise BadDataError(
            f"{int((~seen).sum())} pictures of this version cannot be read, for example {name!r}."
        )


def _reserve(path: Path, size: int) -> None:
    """Take the disk space now: a write into a sparse memory map on a full disk would kill the process by SIGBUS."""
    with path.open("wb") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        else:
            stream.truncate(size)


def _sweep(cache: Path) -> None:
    """Remove what writers left behind when they were killed. A day is longer than any of them works."""
    for left in cache.glob(f"{ASIDE}*"):
        try:
            old = time.time() - left.stat().st_mtime > LEFT_BEHIND_S
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Push a folder's files to the disk, so that a rename never survives a power cut that its content did not."""
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _put(aside: Path, folder: Path, plan: _Plan) -> None:
    """Rename into place; another writer's whole result is left standing, a damaged one is moved away first."""
    if _open(folder, plan) is not None:
        return
    if folder.exists():
        trash = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder.parent))
        shutil.move(folder, trash / "x")
        shutil.rmtree(trash, ignore_errors=True)
    try:
        aside.rename(folder)
    except OSError:
        # Another writer was first between the look and the rename.
        if _open(folder, plan) is None:
            raise
