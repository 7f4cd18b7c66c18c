"""Makes small uploads: pictures that all differ, archives of them, and the check of a file's bytes."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from jobs.datasets.formats.check import check
from jobs.datasets.formats.index import ImageIndex, TableIndex, read_index
from jobs.datasets.formats.outcome import Report

PICTURES = "image-classification"
CLASSES = "table-classification"
QUANTITIES = "table-regression"


@dataclass(frozen=True)
class Checked:
    """What the checker answered, and the folder it wrote into."""

    result: Any
    out: Path
    upload: Path

    @property
    def report(self) -> Report:
        assert self.result["state"] == "ready", self.result
        report: Report = self.result["report"]
        return report

    @property
    def code(self) -> str:
        assert self.result["state"] == "rejected", self.result
        return str(self.result["code"])

    @property
    def reason(self) -> str:
        assert self.result["state"] == "rejected", self.result
        return str(self.result["reason"])

    @property
    def pictures(self) -> ImageIndex:
        index = read_index(self.out)
        assert index["kind"] == "images"
        return index

    @property
    def table(self) -> TableIndex:
        index = read_index(self.out)
        assert index["kind"] == "table"
        return index

    def splits(self) -> dict[str, str]:
        return {sample["name"]: sample["split"] for sample in self.pictures["samples"]}

    def labels(self) -> dict[str, str]:
        index = self.pictures
        return {sample["name"]: index["labels"][sample["label"]] for sample in index["samples"]}

    def reasons(self) -> dict[str, str]:
        return {skip["file"]: skip["reason"] for skip in self.report["skipped"]}


def checked(
    folder: Path, data: bytes, task: str = PICTURES, *, name: str = "upload", label_column: str | None = None
) -> Checked:
    upload = folder / "upload"
    upload.write_bytes(data)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    result = check(task=task, path=upload, filename=name, out=out, label_column=label_column)
    return Checked(result, out, upload)


def picture(seed: int, kind: str = "PNG", size: tuple[int, int] = (12, 10), mode: str = "RGB") -> bytes:
    """A gradient that no other seed has. `size` is (width, height)."""
    width, height = size
    image = Image.new("RGB", size)
    image.putdata(
        [
            ((x * 9 + seed * 37) % 256, (y * 11 + seed * 53) % 256, seed % 256)
            for y in range(height)
            for x in range(width)
        ]
    )
    return encoded(image.convert(mode), kind)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def class_folders(*labels: str, each: int = 4, root: str = "", start: int = 0) -> dict[str, bytes]:
    """Names and bytes of `each` pictures in a folder for each label."""
    seeds = iter(range(start, start + each * len(labels)))
    return {f"{root}{label}/{n}.png": picture(next(seeds)) for label in labels for n in range(each)}


def zipped(files: Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    file = io.BytesIO()
    pairs = files.items() if isinstance(files, Mapping) else files
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w", extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return file.getvalue()
