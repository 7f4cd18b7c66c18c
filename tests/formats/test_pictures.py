"""Pictures in their layouts: classes, splits, labels files, and what is skipped."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.datasets.formats import limits, pictures
from jobs.datasets.formats.images import read_pixels
from jobs.datasets.formats.pixels import pixels
from jobs.datasets.formats.rejected import Rejected
from tests.formats.build import checked, class_folders, encoded, picture, tarred, zipped


def test_read_pixels_gives_every_sample_once_with_its_number(tmp_path: Path) -> None:
    files = class_folders("cat", "dog", each=20)
    for data in (zipped(files), tarred(files, "w:gz")):
        found = checked(tmp_path, data)
        samples = found.pictures["samples"]
        for workers in (1, 3):
            read = dict(read_pixels(found.upload, found.pictures, size=(6, 5), channels=3, workers=workers))
            assert sorted(read) == list(range(40))
            for number, values in read.items():
                expected = pixels(io.BytesIO(files[samples[number]["name"]]), size=(6, 5), channels=3)
                assert np.array_equal(values, expected)


def test_read_pixels_refuses_another_archive(tmp_path: Path) -> None:
    index = checked(tmp_path, zipped(class_folders("cat", "dog"))).pictures
    other = tmp_path / "other"
    other.write_bytes(zipped(class_folders("cat")))
    with pytest.raises(Rejected, match="4 pictures"):
        list(read_pixels(other, index, size=(4, 4), channels=1))


def test_sizes_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.open(io.BytesIO(picture(50, size=(30, 20)))), "JPEG", exif=exif)
    index = checked(tmp_path, zipped(class_folders("cat", "dog") | {"cat/turned.jpg": turned})).pictures
    sample = next(sample for sample in index["samples"] if sample["name"] == "cat/turned.jpg")
    assert (sample["width"], sample["height"]) == (20, 30)


def test_the_hash_is_of_the_picture_and_not_of_its_file(tmp_path: Path) -> None:
    same = Image.open(io.BytesIO(picture(50)))
    files = {
        "cat/a.png": encoded(same),
        "cat/b.bmp": encoded(same, "BMP"),
        "cat/c.webp": encoded(same, "WEBP", lossless=True),
    }
    found = checked(tmp_path, zipped(class_folders("cat", "dog") | files))
    copies = [sample for sample in found.pictures["samples"] if sample["name"] in files]
    assert len({sample["sha256"] for sample in copies}) == 1
    assert len({sample["split"] for sample in copies}) == 1


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("cat/bad.png", b"not a picture", "cannot be decoded"),
        ("cat/cut.png", picture(9, size=(40, 40))[:-30], "cannot be decoded"),
        ("cat/cut.jpg", picture(9, "JPEG", (64, 64))[:-60], "cannot be decoded"),
        ("cat/zero.png", b"", "empty (0 bytes)"),
        ("cat/dot.png", picture(9, size=(1, 1)), "too small"),
        ("cat/tiff.png", picture(9, "TIFF"), "cannot be decoded"),
        ("cat/x.svg", b"<svg/>", "SVG"),
    ],
)
def test_what_cannot_be_used_is_skipped_with_a_reason(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    found = checked(tmp_path, zipped(class_folders("cat", "dog") | {name: data}))
    assert found.report["samples"] == 8
    assert found.report["skipped_total"] == 1
    assert reason in found.reasons()[name]


def test_an_enormous_picture_is_skipped_before_it_is_decoded(tmp_path: Path) -> None:
    """A PNG of some bytes that claims 60,000 x 60,000 pixels."""
    bomb = bytearray(picture(1))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    found = checked(tmp_path, zipped(class_folders("cat", "dog") | {"cat/bomb.png": bytes(bomb)}))
    assert found.report["samples"] == 8
    assert "too large" in found.reasons()["cat/bomb.png"]


def test_a_picture_above_the_limit_says_its_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pictures, "MAX_PICTURE_PIXELS", 1_000)
    found = checked(
        tmp_path, zipped(class_folders("cat", "dog") | {"cat/big.png": picture(9, size=(50, 40))})
    )
    assert "50 x 40" in found.reasons()["cat/big.png"]


def test_the_list_of_skipped_files_is_bounded_and_the_total_true(tmp_path: Path) -> None:
    junk = {f"cat/{n}.txt": b"x" for n in range(300)}
    report = checked(tmp_path, zipped(class_folders("cat", "dog") | junk)).report
    assert len(report["skipped"]) == limits.MAX_SKIPPED_LISTED
    assert report["skipped_total"] == 300


@pytest.mark.parametrize(("mode", "coloured"), [("L", False), ("RGB", True)])
def test_what_pictures_look_like_is_told(tmp_path: Path, mode: str, coloured: bool) -> None:
    """The size and the colours that a training will take, so that it is known before what a model needs."""
    sizes = [(30, 20), (40, 50), (60, 90)]
    files = {}
    for number in range(12):
        tint = Image.new(mode, sizes[number % 3], 20 * number if mode == "L" else (20 * number, 0, 90))
        files[f"{'ab'[number % 2]}/{number}.png"] = encoded(tint)
    report = checked(tmp_path, zipped(files)).report
    assert report["pictures"] == {"side": 40, "height": 50, "width": 40, "coloured": coloured}


# --- splits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("train", "validation", "test"), ("Train", "val", "Test"), ("training", "valid", "testing")]
)
def test_split_folders_are_respected(tmp_path: Path, names: tuple[str, str, str]) -> None:
    files: dict[str, bytes] = {}
    for number, name in enumerate(names):
        files |= class_folders("cat", "dog", root=f"set/{name}/", start=number * 20)
    found = checked(tmp_path, zipped(files | {"set/extra/x.png": picture(99)}))
    assert found.report["splits"] == {"train": 8, "validation": 8, "test": 8}
    assert found.splits()[f"set/{names[1]}/cat/0.png"] == "validation"
    assert "outside the folders" in found.reasons()["set/extra/x.png"]


@pytest.mark.parametrize(("given", "carved"), [("test", "validation"), ("val", "test")])
def test_a_missing_split_is_carved_from_training(tmp_path: Path, given: str, carved: str) -> None:
    files = class_folders("cat", "dog", each=20, root="train/") | class_folders(
        "cat", "dog", root=f"{given}/", start=90
    )
    splits = checked(tmp_path, zipped(files)).splits()
    assert {split for name, split in splits.items() if name.startswith("train/")} == {"train", carved}
    assert list(splits.values()).count(carved) == 4
    kept = {split for name, split in splits.items() if name.startswith(f"{given}/")}
    assert kept == {"validation" if given == "val" else "test"}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    found = checked(tmp_path, zipped(class_folders("train", "bus", "car")))
    assert set(found.report["classes"]) == {"train", "bus", "car"}


def test_a_picture_in_training_and_test_counts_as_test(tmp_path: Path) -> None:
    files = class_folders("cat", "dog", each=10, root="train/") | class_folders(
        "cat", "dog", root="test/", start=90
    )
    files["train/cat/leak.png"] = files["test/cat/0.png"]
    assert checked(tmp_path, zipped(files)).splits()["train/cat/leak.png"] == "test"


def test_a_class_that_is_only_in_the_test_folder_is_refused_by_name(tmp_path: Path) -> None:
    files = class_folders("cat", "dog", each=10, root="train/") | class_folders(
        "cat", "dog", "owl", root="test/", start=90
    )
    found = checked(tmp_path, zipped(files))
    assert found.code == "empty_split"
    assert "“owl”" in found.reason


# --- labels files -----------------------------------------------------------------------------------------

LOOSE = {f"images/{n}.png": picture(n) for n in range(8)}
ROWS = [(n, "cat" if n < 4 else "dog") for n in range(8)]


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n" + "".join(f"images/{n}.png,{label}\n" for n, label in ROWS),
        "label;filename\n" + "".join(f"{label};{n}.png\n" for n, label in ROWS),
        "id\tsize\tclass\n" + "".join(f"{n}\t12\t{label}\n" for n, label in ROWS),
        "".join(f"./images/{n}.png,{label}\n" for n, label in ROWS),
        "path,what it shows\n" + "".join(f"/home/me/set/images/{n}.png,{label}\n" for n, label in ROWS),
    ],
    ids=[
        "plain",
        "semicolon, bare names",
        "no endings, three columns",
        "no header",
        "paths of another machine",
    ],
)
def test_a_labels_file_gives_the_classes(tmp_path: Path, text: str) -> None:
    for root in ("", "set/"):
        files = {f"{root}{name}": data for name, data in LOOSE.items()} | {f"{root}labels.csv": text.encode()}
        found = checked(tmp_path, zipped(files))
        assert found.report["classes"] == {"cat": 4, "dog": 4}
        assert found.labels()[f"{root}images/0.png"] == "cat"


def test_rows_and_pictures_that_do_not_match_are_skipped(tmp_path: Path) -> None:
    text = "file,label\n" + "".join(f"{n}.png,{label}\n" for n, label in ROWS) + "gone.png,cat\n9.png,\n"
    found = checked(
        tmp_path,
        zipped(
            LOOSE | {"images/9.png": picture(9), "images/x.png": picture(10), "labels.csv": text.encode()}
        ),
    )
    assert found.report["samples"] == 8
    assert "no such picture" in found.reasons()["labels.csv, line 10"]
    assert "label is missing" in found.reasons()["labels.csv, line 11"]
    assert "does not name it" in found.reasons()["images/x.png"]


def test_a_bare_name_that_two_pictures_have_means_neither(tmp_path: Path) -> None:
    files = LOOSE | {"more/0.png": picture(20), "images/8.png": picture(8)}
    text = "file,label\n" + "".join(f"{n}.png,{label}\n" for n, label in [*ROWS, (8, "cat")])
    found = checked(tmp_path, zipped(files | {"labels.csv": text.encode()}))
    assert found.report["samples"] == 8
    assert "no such picture" in found.reasons()["labels.csv, line 2"]


def test_split_folders_hold_beside_a_labels_file(tmp_path: Path) -> None:
    files = {f"{'train' if n % 2 else 'test'}/{n}.png": picture(n) for n in range(20)}
    text = "file,label\n" + "".join(f"{n}.png,{'cat' if n < 10 else 'dog'}\n" for n in range(20))
    splits = checked(tmp_path, zipped(files | {"labels.csv": text.encode()})).splits()
    assert splits["test/0.png"] == "test"
    assert {split for name, split in splits.items() if name.startswith("train/")} == {"train", "validation"}


def test_class_folders_win_over_a_table_that_is_not_of_labels(tmp_path: Path) -> None:
    text = "file,width\n" + "".join(f"cat/{n}.png,{n}\n" for n in range(4))
    assert set(
        checked(tmp_path, zipped(class_folders("cat", "dog") | {"sizes.csv": text.encode()})).report[
            "classes"
        ]
    ) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("file,label\n0.png,cat\n1.png,cat,tom\n2.png,dog\n", "ragged_line"),
        ("file,label\n0.png,cat\n1.png,cat\n0.png,dog\n", "contradicting_labels"),
        ('file,label\n0.png,cat\n1.png,"cat\n', "unreadable_line"),
        ("file,label\n0.png," + "x" * 300 + "\n", "label_too_long"),
    ],
)
def test_a_broken_labels_file_is_refused(tmp_path: Path, text: str, code: str) -> None:
    found = checked(tmp_path, zipped(LOOSE | {"labels.csv": text.encode()}))
    assert found.code == code
    assert code == "label_too_long" or "line" in found.reason.lower()


# --- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "code", "part"),
    [
        (class_folders("cat"), "too_few_classes", "“cat”"),
        (
            class_folders("cat", "dog") | {"owl/0.png": picture(77)},
            "too_few_samples",
            "“owl” has 1 different",
        ),
        (
            class_folders("cat", "dog") | {f"owl/{n}.png": picture(77) for n in range(5)},
            "too_few_samples",
            "“owl” has 1",
        ),
        (class_folders("cat", "dog") | {"owl/0.png": b"junk"}, "too_few_samples", "“owl” has 0"),
        (dict.fromkeys(class_folders("cat", "dog"), b"junk"), "no_usable_pictures", "cannot be decoded"),
        ({"cat/a.txt": b"x", "dog/b.txt": b"y"}, "no_pictures", "“cat/a.txt”"),
        ({f"{n}.png": picture(n) for n in range(9)}, "no_labels", "labels.csv"),
        ({f"{'x' * 150}/{n}.png": picture(n) for n in range(4)}, "label_too_long", "100"),
        ({f"a/b/{n}.zip": b"PK" for n in range(4)}, "no_pictures", "one folder"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_a_sentence(
    tmp_path: Path, files: dict[str, bytes], code: str, part: str
) -> None:
    found = checked(tmp_path, zipped(files))
    assert found.code == code
    assert part in found.reason


def test_a_folder_for_each_picture_is_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CLASSES", 5)
    assert checked(tmp_path, zipped({f"{n}/x.png": picture(n) for n in range(9)})).code == "too_many_classes"


# --- previews ---------------------------------------------------------------------------------------------


def test_strips_show_up_to_eight_thumbnails_of_each_class(tmp_path: Path) -> None:
    found = checked(tmp_path, zipped(class_folders("cat", each=30) | class_folders("dog", each=3, start=40)))
    assert found.result["files"] == ["index.json.gz", "strip-0.webp", "strip-1.webp", "preview.json"]
    assert Image.open(found.out / "strip-0.webp").size == (72 * 8, 72)
    assert Image.open(found.out / "strip-1.webp").size == (72 * 3, 72)
    assert (found.out / "preview.json").read_text() == '{"strips": {"0": 8, "1": 3}}'
