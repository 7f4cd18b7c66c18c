"""Where labels of pictures come from: class folders, class folders within split folders, or a labels file."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jobs.datasets.formats.limits import MAX_LABEL_CHARACTERS
from jobs.datasets.formats.names import clean, shown
from jobs.datasets.formats.outcome import Skips
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.splits import TEST, TRAIN, VALIDATION

SPLIT_FOLDERS: Final = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "val": VALIDATION,
    "valid": VALIDATION,
    "test": TEST,
    "testing": TEST,
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture with its label and, where the member chose one, its split."""

    name: str
    label: str
    split: int | None


def wrapper(names: Iterable[str]) -> str:
    """The folder, ending in "/", inside which the layout begins; "" for the root.

    Folders that hold everything and are no class themselves (there are folders within) are gone through.
    """
    paths = [name.split("/") for name in names]
    depth = 0
    prefix: list[str] = []
    while True:
        paths = [path for path in paths if len(path) > depth + 1 and path[:depth] == prefix]
        folders = {path[depth] for path in paths}
        if len(folders) != 1 or all(len(path) == depth + 2 for path in paths):
            return "".join(f"{part}/" for part in prefix)
        prefix += folders
        depth += 1


def split_folders(names: Iterable[str], root: str) -> dict[str, int]:
    """The folders under `root` that are splits, with their split; none unless training has a counterpart.

    (A class may well be called "train", beside "bus" and "car".)
    """
    paths = [name[len(root) :].split("/") for name in names if name.startswith(root)]
    folders = {path[0] for path in paths if len(path) > 1}
    splits = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    return splits if TRAIN in splits.values() and len(set(splits.values())) > 1 else {}


def by_folders(names: Sequence[str], skips: Skips) -> list[Placed]:
    """Each picture with the name of its class folder; what lies outside of one is skipped."""
    root = wrapper(names)
    splits = split_folders(names, root)
    placed = []
    for name in names:
        parts = name[len(root) :].split("/") if name.startswith(root) else [name]
        split = splits.get(parts[0])
        folders = parts[:-1] if not splits else parts[1:-1]
        if splits and split is None:
            skips.add(name, "it lies outside the folders for training, validation and test")
        elif not folders:
            skips.add(name, "it lies in no class folder")
        else:
            placed.append(Placed(name, label_text(folders[0]), split))
    return placed


def label_text(raw: str) -> str:
    """A label, cleaned. Raises `Rejected` when it is too long to be one."""
    label = clean(raw) or "(unnamed)"
    if len(label) > MAX_LABEL_CHARACTERS:
        raise Rejected(
            "label_too_long",
            f"The label {shown(label)} is longer than {MAX_LABEL_CHARACTERS} characters. Shorten it.",
        )
    return label


def named(labels: Iterable[str], most: int = 5) -> str:
    """Some labels for a sentence."""
    listed = list(labels)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(shown(label) for label in listed[:most]) + more


def counted(labels: Iterable[str]) -> dict[str, int]:
    """How many samples each label has, by label."""
    return dict(sorted(Counter(labels).items()))
