"""`index.json.gz`: what the checker found, as the engine and the pages read it. Versioned by "format"."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

INDEX_NAME: Final = "index.json.gz"
FORMAT: Final = 1
SPLITS: Final = ("train", "validation", "test")
"""In the order of the codes 0, 1, 2 of `table.npz`."""


class ImageSample(TypedDict):
    """One picture: `name` as in `archives`, `label` an index into labels, `sha256` of its decoded pixels."""

    name: str
    label: int
    split: str
    sha256: str
    width: int
    height: int


class ImageIndex(TypedDict):
    format: int
    kind: Literal["images"]
    container: str
    labels: list[str]
    samples: list[ImageSample]


class TableColumn(TypedDict):
    """One feature. `categories` only for type "category": code n in `table.npz` means categories[n]."""

    name: str
    type: Literal["number", "category"]
    missing: int
    categories: NotRequired[list[str]]
    minimum: NotRequired[float]
    maximum: NotRequired[float]
    mean: NotRequired[float]


class Reader(TypedDict):
    """How the file is read again: `format` "csv" or "parquet", the others null for Parquet."""

    format: Literal["csv", "parquet"]
    delimiter: str | None
    decimal: str | None
    encoding: str | None


class TableIndex(TypedDict):
    format: int
    kind: Literal["table"]
    task: str
    label_column: str
    labels: list[str] | None
    columns: list[TableColumn]
    rows: int
    reader: Reader


Index = ImageIndex | TableIndex


def write_index(folder: Path, index: Index) -> str:
    """Writes `index` into `folder`; the same index gives the same bytes. Returns the file's name."""
    data = json.dumps(index, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    (folder / INDEX_NAME).write_bytes(gzip.compress(data, compresslevel=6, mtime=0))
    return INDEX_NAME


def read_index(path: Path) -> Index:
    """The index at `path` (the file or its folder). Raises `ValueError` for what is no index."""
    file = path / INDEX_NAME if path.is_dir() else path
    try:
        index: Any = json.loads(gzip.decompress(file.read_bytes()))
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} is damaged: {error}") from error
    if (
        not isinstance(index, dict)
        or index.get("format") != FORMAT
        or index.get("kind") not in ("images", "table")
    ):
        raise ValueError(f"{file.name} is not an index of format {FORMAT}")
    found: Index = index  # type: ignore[assignment]  # our own checker wrote it
    return found
