"""Whatever bytes come, the checker answers: ready or rejected in a sentence, never a crash, in bounded time and memory.

`FUZZ_EXAMPLES=5000 pytest tests/formats/test_fuzz.py` digs deeper, with other examples every time; without it the
same few are tried each time. The last input that was tried stays in the file that FUZZ_LAST names, for crashes.
"""

import io
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.formats import mutations
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
from tests.formats.mutations import Kind, mutants

DEEP = os.environ.get("FUZZ_EXAMPLES")
LAST = os.environ.get("FUZZ_LAST")
BOUNDED = settings(
    max_examples=int(DEEP or 40),
    deadline=None,
    derandomize=not DEEP,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SECONDS = 20
MEMORY_GROWTH_KIB = 700 * 1024
TASKS = (PICTURES, CLASSES, QUANTITIES)


def answer(data: bytes, task: str) -> None:
    if LAST:
        Path(LAST).write_bytes(task.encode() + b"\n" + data)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = checked(Path(folder), data, task).result
    assert time.monotonic() - began < SECONDS
    assert result["state"] in {"ready", "rejected"}
    if result["state"] == "rejected":
        assert result["code"].isidentifier()
        assert result["reason"].endswith(".")
        assert result["reason"].translate({0x200C: None, 0x200D: None}).isprintable()


@pytest.fixture(autouse=True)
def little_memory() -> object:
    """No example makes the process grow by more than a few large pictures."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_GROWTH_KIB


# --- archives and tables, their fields changed ---------------------------------------------------------------


def parquet(**options: object) -> bytes:
    file = io.BytesIO()
    columns = {"n": list(range(0, 60, 3)), "t": ["x", "y"] * 10, "f": [0.5, None] * 10, "k": ["a", "b"] * 10}
    pq.write_table(pa.table(columns), file, **options)  # type: ignore[arg-type]
    return file.getvalue()


LABELLED = "file,label\n" + "".join(f"{n}.png,{'cat' if n < 4 else 'dog'}\n" for n in range(8))
TABLE = b'a;b;"c d"\n' + b"".join(b"%d;x%d;%s\n" % (n, n % 3, b"yn"[n % 2 :][:1]) for n in range(20))
QUANTITIES_TABLE = b"a\tb\n" + b"".join(b"x%d\t%d.5\n" % (n % 3, n) for n in range(20))
WIDE_TEXT = ("ä\tb\n" + "".join(f"{n},5\t{n * n % 7}\n" for n in range(20))).encode("utf-16")
FILES = class_folders("cat", "dog", each=3)
Seed = tuple[str, bytes, Kind]
SEEDS: dict[str, Seed] = {
    "zip": (PICTURES, zipped(FILES), mutations.ZIP),
    "tar": (PICTURES, tarred(FILES), mutations.TAR),
    "pax tar": (PICTURES, tarred({f"{'ä' * 60}/{name}": data for name, data in FILES.items()}), mutations.TAR),
    "tar inside gzip": (PICTURES, tarred(FILES), mutations.TAR_GZ),
    "gzip": (PICTURES, tarred(FILES, "w:gz"), mutations.GZIP),
    "csv": (CLASSES, TABLE, mutations.TEXT),
    "tsv of quantities": (QUANTITIES, QUANTITIES_TABLE, mutations.TEXT),
    "utf-16": (QUANTITIES, WIDE_TEXT, mutations.TEXT_16),
}  # fmt: skip
for _name, _data in {
    "plain": parquet(),
    "plain pages": parquet(use_dictionary=False, compression="none"),
    "gzip": parquet(compression="gzip", data_page_version="2.0"),
    "zstd": parquet(compression="zstd", row_group_size=7, write_page_index=True),
}.items():
    SEEDS[f"parquet footer, {_name}"] = (CLASSES, _data, mutations.footers(_data))
    SEEDS[f"parquet pages, {_name}"] = (CLASSES, _data, mutations.pages(_data))


def tried(data: bytes, kind: Kind, attempt: Callable[[bytes], None]) -> None:
    BOUNDED(given(mutants(data, kind))(attempt))()


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_uploads(seed: str) -> None:
    task, data, kind = SEEDS[seed]
    tried(data, kind, lambda mutant: answer(mutant, task))


def test_damaged_files_of_labels() -> None:
    pictures = {f"{n}.png": picture(n) for n in range(8)}
    kind = Kind(tokens=[*mutations.TEXT.tokens, b"1.png", b"../0.png", b"0.png"])
    tried(LABELLED.encode(), kind, lambda mutant: answer(zipped(pictures | {"l.csv": mutant}), PICTURES))


@pytest.mark.filterwarnings("ignore")  # Pillow's, of broken EXIF and the like
@pytest.mark.parametrize("kind", mutations.PICTURES)
@pytest.mark.parametrize("form", ["plain", "odd"])
def test_damaged_pictures_never_break_the_rest(kind: str, form: str) -> None:
    def attempt(mutant: bytes) -> None:
        if LAST:
            Path(LAST).write_bytes(f"{kind}\n".encode() + mutant)
        with tempfile.TemporaryDirectory() as folder:
            assert checked(Path(folder), zipped(FILES | {"cat/x.img.jpg": mutant})).report["samples"] >= 6

    tried(_sample(kind, form), mutations.PICTURES[kind], attempt)


def _sample(kind: str, form: str) -> bytes:
    """A plain picture with EXIF, or one of the format's rarer kinds."""
    image = Image.open(io.BytesIO(picture(200, size=(40, 30))))
    exif = Image.Exif()
    exif[0x0112] = 6
    plain: dict[str, dict[str, object]] = {"BMP": {}, "GIF": {}}
    if form == "plain":
        return encoded(image, kind, **plain.get(kind, {"exif": exif}))
    frames = [image.transpose(turn) for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180)]
    many = {"save_all": True, "append_images": frames, "duration": 10}
    odd: dict[str, tuple[str, dict[str, object]]] = {
        "PNG": ("P", many),
        "JPEG": ("CMYK", {"progressive": True, "icc_profile": b"x" * 70_000}),
        "GIF": ("P", {**many, "transparency": 1}),
        "BMP": ("P", {}),
        "WEBP": ("RGBA", many),
    }
    mode, options = odd[kind]
    return encoded(image.convert(mode), kind, **options)


# --- anything -----------------------------------------------------------------------------------------------


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


CELLS = st.one_of(
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "NA", "1,5", '"', "a\nb", "-0", *mutations.ODD_CELLS]),
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
    st.lists(
        st.sampled_from(CELLS_OF_ONE := ["1", "2.5", "x", "", "1e999", "=1+1", "NA"]),
        min_size=20,
        max_size=60,
    ),
    st.lists(st.sampled_from(CELLS_OF_ONE), min_size=20, max_size=60),
    st.sampled_from(TASKS[1:]),
)
def test_columns_of_mixed_kinds(one: list[str], other: list[str], task: str) -> None:
    rows = zip(one, other, strict=False)
    answer(("a,b,k\n" + "".join(f"{a},{b},{n % 2}\n" for n, (a, b) in enumerate(rows))).encode(), task)


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
