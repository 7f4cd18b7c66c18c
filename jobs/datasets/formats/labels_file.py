"""A CSV inside an archive that names pictures and their labels; its columns are found by looking."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jobs.datasets.formats.delimited import records, sniff
from jobs.datasets.formats.layout import Placed, label_text, split_folders, wrapper
from jobs.datasets.formats.names import clean, shown
from jobs.datasets.formats.outcome import Skips
from jobs.datasets.formats.rejected import Rejected

LABEL_NAMES: Final = {
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "target",
    "y",
    "class_name",
    "classname",
}
PAIR: Final = 2
"""File and label: what a file without a header has to be."""
SAMPLE_ROWS: Final = 200
MATCHING_PART: Final = 0.5
"""Of the sampled rows, so many must name a picture for the column to be the files'."""

Row = tuple[int, list[str]]


class Names:
    """Finds pictures by what a CSV calls them: a path, a bare name, a name without its ending."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact: dict[str, str] = {}
        self._loose: dict[str, str | None] = {}
        for name in names:
            self._exact[name.casefold()] = name
            base = name.casefold().rsplit("/", 1)[-1]
            for key in {base, base.rsplit(".", 1)[0]}:
                self._loose[key] = None if key in self._loose else name  # None: more than one is called so

    def find(self, cell: str, folder: str) -> str | None:
        """The picture that `cell` means, in a CSV that lies in `folder` ("" or ending in "/")."""
        path = "/".join(p for p in clean(cell).casefold().replace("\\", "/").split("/") if p not in ("", "."))
        base = path.rsplit("/", 1)[-1]
        while path:
            found = self._exact.get(folder.casefold() + path) or self._exact.get(path)
            if found:
                return found
            path = path.partition("/")[2]
        return self._loose.get(base)


@dataclass(frozen=True, slots=True)
class Labelling:
    """What a labels file says. `certain`: its label column is named as one, or was asked for."""

    placed: list[Placed]
    certain: bool


@dataclass(frozen=True, slots=True)
class _Columns:
    file: int
    label: int
    has_header: bool
    certain: bool


def read_labels(
    file_name: str, data: bytes, pictures: Sequence[str], label_column: str | None, skips: Skips
) -> Labelling | None:
    """The pictures that `data` labels; None when it is not a file of labels for these pictures.

    Rows that name no picture or no label go to `skips`. Raises `Rejected` for a broken or contradictory file.
    """
    file = io.BytesIO(data)
    try:
        rows = list(records(file, sniff(file)))
    except Rejected as error:
        raise Rejected(error.code, f"{shown(file_name)}: {error.detail}") from error
    folder = file_name[: file_name.rfind("/") + 1]
    names = Names(pictures)
    columns = _find_columns(rows, names, folder, label_column)
    if columns is None:
        return None
    _check_lengths(rows, file_name)
    splits = _splits(pictures)
    labels = _labels(rows[columns.has_header :], columns, names, folder, _Notes(file_name, skips))
    return Labelling(
        [Placed(name, label, _split(name, splits)) for name, label in labels.items()], columns.certain
    )


@dataclass(frozen=True, slots=True)
class _Notes:
    file_name: str
    skips: Skips

    def skip(self, line: int, reason: str) -> None:
        self.skips.add(f"{self.file_name}, line {line}", reason)


def _labels(rows: list[Row], columns: _Columns, names: Names, folder: str, notes: _Notes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, row in rows:
        name = names.find(row[columns.file], folder)
        if name is None:
            notes.skip(line, f"it names {shown(row[columns.file])}, and the archive has no such picture")
        elif not clean(row[columns.label]):
            notes.skip(line, "the label is missing")
        elif found.setdefault(name, label := label_text(row[columns.label])) != label:
            raise Rejected(
                "contradicting_labels",
                f"{shown(notes.file_name)}, line {line}: {shown(name)} is labelled {shown(label)} there "
                f"and {shown(found[name])} before. Keep one label for each picture.",
            )
    return found


def _find_columns(rows: list[Row], names: Names, folder: str, label_column: str | None) -> _Columns | None:
    if not rows or len(rows[0][1]) == 1:
        return None
    header = [clean(cell).casefold() for cell in rows[0][1]]
    body = [row for _, row in rows[1 : SAMPLE_ROWS + 1]]
    hits = [sum(1 for row in body if n < len(row) and names.find(row[n], folder)) for n in range(len(header))]
    file = max(range(len(header)), key=hits.__getitem__)
    if hits[file] < max(1, MATCHING_PART * len(body)):
        return None
    if names.find(rows[0][1][file], folder):
        return _Columns(file, 1 - file, has_header=False, certain=False) if len(header) == PAIR else None
    wanted = clean(label_column or "").casefold()
    others = [n for n in range(len(header)) if n != file]
    named = [n for n in others if (header[n] == wanted if wanted else header[n] in LABEL_NAMES)]
    if named:
        return _Columns(file, named[0], has_header=True, certain=True)
    return _Columns(file, others[0], has_header=True, certain=False) if len(others) == 1 else None


def _check_lengths(rows: list[Row], file_name: str) -> None:
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise Rejected(
                "ragged_line",
                f"{shown(file_name)}, line {line}: {len(row)} values where the first line has {width}. "
                "Put values that hold the delimiter in quotation marks.",
            )


def _splits(pictures: Sequence[str]) -> dict[str, int]:
    """Split folders by their path from the archive's root; pictures may lie right in them."""
    root = wrapper(pictures)
    return {f"{root}{folder}/": split for folder, split in split_folders(pictures, root).items()}


def _split(name: str, splits: dict[str, int]) -> int | None:
    return next((split for folder, split in splits.items() if name.startswith(folder)), None)
