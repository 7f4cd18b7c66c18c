"""Whatever bytes come, the checker answers: ready or rejected in a sentence, never a crash."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.formats.build import (
    CLASSES,
    PICTURES,
    QUANTITIES,
    checked,
    class_folders,
    encoded,
    picture,
    tarred,
    zipped,
)

BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TASKS = (PICTURES, CLASSES, QUANTITIES)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 8)), max_size=6)


def parquet() -> bytes:
    file = io.BytesIO()
    columns = {"n": list(range(0, 60, 3)), "t": ["x", "y"] * 10, "f": [0.5, None] * 10, "k": ["a", "b"] * 10}
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


LABELLED = "file,label\n" + "".join(f"{n}.png,{'cat' if n < 4 else 'dog'}\n" for n in range(8))
SEEDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "zip": (PICTURES, lambda: zipped(class_folders("cat", "dog", each=3))),
    "tar": (PICTURES, lambda: tarred(class_folders("cat", "dog", each=3))),
    "tar.gz": (PICTURES, lambda: tarred(class_folders("cat", "dog", each=3), "w:gz")),
    "labels": (
        PICTURES,
        lambda: zipped({f"{n}.png": picture(n) for n in range(8)} | {"l.csv": LABELLED.encode()}),
    ),
    "csv": (
        CLASSES,
        lambda: b'a;b;"c d"\n' + b"".join(b"%d;x%d;%s\n" % (n, n % 3, b"yn"[n % 2 :][:1]) for n in range(20)),
    ),
    "utf-16": (
        QUANTITIES,
        lambda: ("ä\tb\n" + "".join(f"{n},5\t{n * n % 7}\n" for n in range(20))).encode("utf-16"),
    ),
    "parquet": (CLASSES, parquet),
}


def edited(data: bytes, edits: list[tuple[float, bytes, int]]) -> bytes:
    """`data` with pieces replaced: at a part of its length, some bytes instead of so many."""
    for part, new, removed in edits:
        at = int(part * len(data))
        data = data[:at] + new + data[at + removed :]
    return data


def answer(data: bytes, task: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = checked(Path(folder), data, task).result
    assert result["state"] in {"ready", "rejected"}
    if result["state"] == "rejected":
        assert result["code"].isidentifier()
        assert result["reason"].endswith(".")
        assert result["reason"].translate({0x200C: None, 0x200D: None}).isprintable()


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_uploads(seed: str) -> None:
    task, make = SEEDS[seed]
    whole = make()

    @BOUNDED
    @given(EDITS)
    def run(edits: list[tuple[float, bytes, int]]) -> None:
        answer(edited(whole, edits), task)

    run()


@BOUNDED
@given(st.binary(max_size=400), st.sampled_from(TASKS))
def test_arbitrary_bytes(data: bytes, task: str) -> None:
    answer(data, task)


@BOUNDED
@given(
    st.sampled_from([b"PAR1", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00"]),
    st.binary(max_size=200),
    st.sampled_from(TASKS),
)
def test_arbitrary_bytes_behind_a_promising_start(start: bytes, data: bytes, task: str) -> None:
    answer(start + data + start, task)


ODD_CELLS = ["", "NA", "1,5", "=1+1", '"', "a\nb", "1e999", "-0"]
CELLS = st.one_of(
    st.text(max_size=6), st.integers().map(str), st.floats().map(str), st.sampled_from(ODD_CELLS)
)


@BOUNDED
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=30),
    st.sampled_from(",;\t|"),
    st.sampled_from(TASKS[1:]),
)
def test_arbitrary_tables(rows: list[list[str]], delimiter: str, task: str) -> None:
    answer("\n".join(delimiter.join(row) for row in rows).encode("utf-8", "surrogatepass"), task)


@BOUNDED
@given(
    st.dictionaries(
        st.text(st.characters(blacklist_characters="\0"), max_size=12),
        st.sampled_from([b"", b"x", picture(1), picture(2)]),
        max_size=8,
    )
)
def test_arbitrary_names(files: dict[str, bytes]) -> None:
    printable = {name.encode("utf-8", "replace").decode(): data for name, data in files.items() if name}
    answer(zipped(printable), PICTURES)
    answer(tarred(printable), PICTURES)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken EXIF
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_damaged_pictures_never_break_the_rest(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(
        Image.open(io.BytesIO(picture(200, size=(40, 30)))),
        kind,
        **({} if kind in {"BMP", "GIF"} else {"exif": exif}),
    )

    @BOUNDED
    @given(EDITS)
    def run(edits: list[tuple[float, bytes, int]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            files = class_folders("cat", "dog", each=3) | {"cat/x.img.jpg": edited(whole, edits)}
            assert checked(Path(folder), zipped(files)).report["samples"] >= 6

    run()
