"""Checking an archive of pictures: every file decoded, each with a label and a split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from jobs.datasets.formats import limits
from jobs.datasets.formats.archives import Archive, Member, content_bytes
from jobs.datasets.formats.index import FORMAT, SPLITS, ImageIndex, write_index
from jobs.datasets.formats.labels_file import Labelling, read_labels
from jobs.datasets.formats.layout import Placed, by_folders, counted, named
from jobs.datasets.formats.looks import has_colour, median_shape, median_side
from jobs.datasets.formats.names import shown
from jobs.datasets.formats.opening import open_archive
from jobs.datasets.formats.outcome import Looks, Progress, Ready, Skips, Upload
from jobs.datasets.formats.parallel import default_workers, ordered_map
from jobs.datasets.formats.pictures import Picture, look
from jobs.datasets.formats.rejected import Rejected
from jobs.datasets.formats.splits import assign
from jobs.datasets.formats.strips import Strips

PICTURES: Final = {"jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "gif", "webp"}
TABLES: Final = {"csv", "tsv"}
ARCHIVES: Final = {"zip", "tar", "gz", "tgz", "7z", "rar", "bz2", "xz", "zst"}
OTHER_PICTURES: Final = {
    "tif",
    "tiff",
    "heic",
    "heif",
    "avif",
    "svg",
    "psd",
    "raw",
    "dng",
    "cr2",
    "nef",
    "jp2",
    "ico",
}
DECODING_STARTS: Final = 0.1
DECODING_ENDS: Final = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    placed: Placed
    picture: Picture


def check_images(upload: Upload) -> Ready:
    """Checks an archive and writes index, thumbnails and preview into `upload.out`. Raises `Rejected`."""
    skips = Skips()
    archive = open_archive(upload.path)
    members = archive.members()
    pictures = _pictures(members, skips)
    upload.progress(DECODING_STARTS / 2)
    placed = _place(archive, members, pictures, upload.label_column, skips)
    _check_labels(placed)
    labels = sorted({item.label for item in placed})
    strips = Strips(labels[: limits.MAX_STRIPS])
    samples = _decode(archive, placed, strips, skips, upload.progress)
    _check_classes(labels, samples, skips)
    index = _index(archive.container, labels, samples)
    files = [write_index(upload.out, index), *strips.write(upload.out, labels)]
    return _ready(index, _looks(upload, index), files, skips)


def _looks(upload: Upload, index: ImageIndex) -> Looks:
    height, width = median_shape(index)
    coloured = has_colour(upload.path, index)
    return {"side": int(median_side(index)), "height": height, "width": width, "coloured": coloured}


def _pictures(members: list[Member], skips: Skips) -> list[str]:
    """Names of what may be pictures, by ending and size."""
    pictures = []
    for member in members:
        reason = _why_not(member)
        if reason is None:
            pictures.append(member.name)
        elif reason:
            skips.add(member.name, reason)
    if not pictures:
        raise Rejected(
            "no_pictures",
            "The archive holds no pictures (JPEG, PNG, BMP, GIF or WebP)."
            + (f" It holds {shown(skips.listed[0]['file'])}, for one." if skips.listed else "")
            + " Pack one folder of pictures for each class and upload again.",
        )
    return pictures


def _why_not(member: Member) -> str | None:
    """None for a picture, a reason for what is skipped, "" for what needs no mention."""
    ending = member.name.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    if ending in TABLES:
        return ""
    if ending not in PICTURES:
        return _what_it_is(ending)
    if member.size == 0:
        return "the file is empty (0 bytes)"
    if member.size > limits.MAX_PICTURE_BYTES:
        return f"the file is larger than {limits.MAX_PICTURE_BYTES // limits.MIB} MiB"
    return None


def _what_it_is(ending: str) -> str:
    if ending in ARCHIVES:
        return "an archive inside the archive is not opened; unpack it first"
    if ending in OTHER_PICTURES:
        return f"{ending.upper()} pictures are not read; save it as JPEG or PNG"
    return "it is no picture"


def _place(
    archive: Archive, members: list[Member], pictures: list[str], label_column: str | None, skips: Skips
) -> list[Placed]:
    """Labels from a file of labels when there is one, unless folders speak more clearly."""
    file_skips, folder_skips = Skips(), Skips()
    labelling = _labelling(archive, members, pictures, label_column, file_skips)
    folders = [] if labelling and labelling.certain else by_folders(pictures, folder_skips)
    if labelling and len({item.label for item in folders}) < limits.MIN_CLASSES:
        skips.extend(file_skips)
        known = {item.name for item in labelling.placed}
        for name in pictures:
            if name not in known:
                skips.add(name, "the file of labels does not name it")
        return labelling.placed
    skips.extend(folder_skips)
    if not folders:
        raise Rejected(
            "no_labels",
            "The pictures have no labels: put them into one folder for each class, or add a labels.csv "
            "with the columns file and label.",
        )
    return folders


def _labelling(
    archive: Archive, members: list[Member], pictures: list[str], label_column: str | None, skips: Skips
) -> Labelling | None:
    """What the CSVs in the archive say about its pictures, together."""
    tables = [m for m in members if m.name.lower().endswith((".csv", ".tsv"))]
    readable = [m.name for m in tables if m.size <= limits.MAX_LABELS_FILE_BYTES]
    wanted = sorted(readable, key=lambda name: (name.count("/"), name))[: limits.MAX_LABELS_FILES]
    found = []
    for name, data in archive.contents(wanted) if wanted else ():
        one = read_labels(name, data, pictures, label_column, skips) if data else None
        if one:
            found.append(one)
    if not found:
        return None
    placed = {item.name: item for one in found for item in one.placed}
    return Labelling(list(placed.values()), any(one.certain for one in found))


def _check_labels(placed: Sequence[Placed]) -> None:
    labels = sorted({item.label for item in placed})
    if len(labels) < limits.MIN_CLASSES:
        raise Rejected(
            "too_few_classes",
            f"There is only one class, {named(labels)}; a classifier needs at least {limits.MIN_CLASSES} "
            "to tell apart. Put the pictures of each class into a folder of its own.",
        )
    if len(labels) > limits.MAX_CLASSES:
        raise Rejected(
            "too_many_classes",
            f"There are {len(labels):,} classes, at most {limits.MAX_CLASSES:,} are possible. "
            "Each folder is taken for a class: make one for each class, not one for each picture.",
        )


def _decode(
    archive: Archive, placed: Sequence[Placed], strips: Strips, skips: Skips, progress: Progress
) -> list[Sample]:
    by_name = {item.name: item for item in placed}
    decode = partial(_look, by_name=by_name, strips=strips)
    contents = archive.contents(by_name.keys())
    samples = []
    done = ordered_map(decode, contents, workers=default_workers(), weight=content_bytes)
    for count, (item, found) in enumerate(done, 1):
        progress(DECODING_STARTS + (DECODING_ENDS - DECODING_STARTS) * count / len(by_name))
        if isinstance(found, str):
            skips.add(item.name, found)
        else:
            strips.add(item.label, found)
            samples.append(Sample(item, found))
    return sorted(samples, key=lambda sample: sample.placed.name)


def _look(
    content: tuple[str, bytes | None], *, by_name: dict[str, Placed], strips: Strips
) -> tuple[Placed, Picture | str]:
    item = by_name[content[0]]
    if content[1] is None:
        return item, "it is damaged inside the archive"
    return item, look(content[1], partial(strips.wants, item.label))


def _check_classes(labels: Sequence[str], samples: Sequence[Sample], skips: Skips) -> None:
    """Every class must fill three splits with different pictures."""
    if not samples:
        first = skips.listed[0]
        raise Rejected(
            "no_usable_pictures",
            f"None of the pictures can be used. {shown(first['file'])}, for one: {first['reason']}.",
        )
    different: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        different[sample.placed.label].add(sample.picture.sha256)
    small = [label for label in labels if len(different[label]) < limits.MIN_DIFFERENT_PER_CLASS]
    if small:
        count = len(different[small[0]])
        raise Rejected(
            "too_few_samples",
            f"The class {shown(small[0])} has {count} different usable picture{'' if count == 1 else 's'} "
            f"and needs {limits.MIN_DIFFERENT_PER_CLASS}: one each for training, validation and test. "
            "Add some, or remove the class."
            + (f" The same goes for {named(small[1:])}." if small[1:] else ""),
        )


def _index(container: str, labels: list[str], samples: Sequence[Sample]) -> ImageIndex:
    numbers = {label: number for number, label in enumerate(labels)}
    classes = [numbers[sample.placed.label] for sample in samples]
    contents = [sample.picture.sha256 for sample in samples]
    splits = assign(classes, contents, [sample.placed.split for sample in samples]).tolist()
    _check_splits(labels, classes, splits)
    return {
        "format": FORMAT,
        "kind": "images",
        "container": container,
        "labels": labels,
        "samples": [
            {
                "name": sample.placed.name,
                "label": label,
                "split": SPLITS[split],
                "sha256": sample.picture.sha256,
                "width": sample.picture.width,
                "height": sample.picture.height,
            }
            for sample, label, split in zip(samples, classes, splits, strict=True)
        ],
    }


def _check_splits(labels: Sequence[str], classes: Sequence[int], splits: Sequence[int]) -> None:
    """Only splits that members chose, or pictures that lie in several classes, can leave one empty."""
    present = set(zip(classes, splits, strict=True))
    for number, label in enumerate(labels):
        empty = [name for code, name in enumerate(SPLITS) if (number, code) not in present]
        if empty:
            raise Rejected(
                "empty_split",
                f"The class {shown(label)} has no picture of its own for {empty[0]}. Put different pictures "
                "of it into each of your folders for training, validation and test.",
            )


def _ready(index: ImageIndex, looks: Looks, files: list[str], skips: Skips) -> Ready:
    samples = index["samples"]
    splits = [sample["split"] for sample in samples]
    return {
        "type": "result",
        "state": "ready",
        "report": {
            "samples": len(samples),
            "classes": counted(index["labels"][sample["label"]] for sample in samples),
            "splits": {split: splits.count(split) for split in SPLITS},
            "pictures": looks,
            "skipped": skips.listed,
            "skipped_total": skips.total,
        },
        "files": files,
    }
