"""Archives as members really make them, and as attackers do."""

import gzip
import io
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.datasets.formats import limits
from tests.formats.build import Checked, checked, class_folders, picture, tarred, zipped

GOOD = class_folders("cat", "dog")


@pytest.mark.parametrize(
    ("data", "container"),
    [(zipped(GOOD), "zip"), (tarred(GOOD), "tar"), (tarred(GOOD, "w:gz"), "tar")],
    ids=["zip", "tar", "tar.gz"],
)
def test_zip_tar_and_tar_gz_give_the_same_samples(tmp_path: Path, data: bytes, container: str) -> None:
    found = checked(tmp_path, data)
    assert found.report["classes"] == {"cat": 4, "dog": 4}
    assert found.pictures["container"] == container
    (tmp_path / "again").mkdir()
    assert found.pictures["samples"] == checked(tmp_path / "again", zipped(GOOD)).pictures["samples"]


def test_a_name_does_not_decide_what_a_file_is(tmp_path: Path) -> None:
    assert checked(tmp_path, tarred(GOOD, "w:gz"), name="pictures.zip").report["samples"] == 8


def test_litter_of_operating_systems_is_not_even_mentioned(tmp_path: Path) -> None:
    litter = [
        "__MACOSX/cat/._0.png",
        "cat/._1.png",
        ".DS_Store",
        "cat/Thumbs.db",
        "dog/desktop.ini",
        ".git/x.png",
    ]
    report = checked(tmp_path, zipped(GOOD | dict.fromkeys(litter, b"x"))).report
    assert report["samples"] == 8
    assert report["skipped"] == []


@pytest.mark.parametrize("root", ["set/", "a/b/c/", "./", ".//set//"])
def test_wrapper_folders_are_gone_through(tmp_path: Path, root: str) -> None:
    files = class_folders("cat", "dog", root=root) | {f"{root}readme.txt": b"hello"}
    assert checked(tmp_path, zipped(files)).report["classes"] == {"cat": 4, "dog": 4}


def test_a_picture_beside_the_class_folders_is_skipped_with_a_reason(tmp_path: Path) -> None:
    found = checked(
        tmp_path, zipped(class_folders("cat", "dog", root="set/") | {"set/cover.png": picture(99)})
    )
    assert found.report["classes"] == {"cat": 4, "dog": 4}
    assert "no class folder" in found.reasons()["set/cover.png"]


def test_names_of_every_kind_become_readable_labels(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Käse")
    mac = [(_unmarked(f"{decomposed}/{n}.png".encode()), picture(n)) for n in range(3)]
    old = [(_unmarked(f"Br\u00f6tchen/{n}.png".encode("cp437")), picture(9 + n)) for n in range(3)]
    windows = [(f"Wurst\\{n}.png", picture(20 + n)) for n in range(3)]
    assert set(checked(tmp_path, zipped([*mac, *old, *windows])).report["classes"]) == {
        "Brötchen",
        "Käse",
        "Wurst",
    }


def _unmarked(name: bytes) -> zipfile.ZipInfo:
    """A name written without the mark that says that it is UTF-8, as macOS does."""

    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
            return name, self.flag_bits & ~0x800

    return Raw(name.decode("latin-1"))


def test_a_latin_1_name_in_a_tar_is_read(tmp_path: Path) -> None:
    files = {f"K\udce4se/{n}.png": picture(n) for n in range(3)} | class_folders("dog", start=9)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert set(checked(tmp_path, file.getvalue()).report["classes"]) == {"Käse", "dog"}


def test_labels_lose_characters_that_deceive(tmp_path: Path) -> None:
    files = {f"ev\u202eil\x07/{n}.png": picture(n) for n in range(3)} | class_folders("dog", start=9)
    assert set(checked(tmp_path, zipped(files)).report["classes"]) == {"dog", "evil"}


def test_an_archive_in_the_archive_is_not_opened(tmp_path: Path) -> None:
    found = checked(
        tmp_path, zipped(GOOD | {"cat/more.zip": zipped(GOOD), "notes.txt": b"hi", "cat/a.heic": b"x"})
    )
    assert found.report["samples"] == 8
    assert "unpack it first" in found.reasons()["cat/more.zip"]
    assert "HEIC" in found.reasons()["cat/a.heic"]
    assert found.reasons()["notes.txt"] == "it is no picture"


# --- refused ----------------------------------------------------------------------------------------------


def _link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("cat/link.png")
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


def _zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("cat/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _encrypted() -> bytes:
    data = bytearray(zipped(GOOD))
    for at in range(len(data)):
        if data[at : at + 4] == b"PK\x03\x04":
            data[at + 6] |= 1
        if data[at : at + 4] == b"PK\x01\x02":
            data[at + 8] |= 1
    return bytes(data)


def _lzma() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
    return file.getvalue()


REFUSED = {
    "traversal": ("unsafe_name", zipped(GOOD | {"../../evil.png": b"x"})),
    "traversal in a tar": ("unsafe_name", tarred(GOOD | {"cat/../../evil.png": b"x"})),
    "windows traversal": ("unsafe_name", zipped(GOOD | {"..\\evil.png": b"x"})),
    "absolute": ("absolute_name", zipped(GOOD | {"/etc/passwd": b"x"})),
    "absolute in a tar": ("absolute_name", tarred(GOOD | {"/etc/passwd": b"x"})),
    "a drive": ("absolute_name", zipped(GOOD | {"C:\\x.png": b"x"})),
    "deep": ("name_too_long", zipped(GOOD | {"a/" * 40 + "x.png": b"x"})),
    "long": ("name_too_long", zipped(GOOD | {"a" * 2000: b"x"})),
    "symlink": ("link_in_archive", tarred(GOOD, extra=[_link(tarfile.SYMTYPE)])),
    "hard link": ("link_in_archive", tarred(GOOD, extra=[_link(tarfile.LNKTYPE)])),
    "device": ("link_in_archive", tarred(GOOD, extra=[_link(tarfile.CHRTYPE)])),
    "pipe": ("link_in_archive", tarred(GOOD, extra=[_link(tarfile.FIFOTYPE)])),
    "symlink in a zip": ("link_in_archive", zipped([*GOOD.items(), (_zip_link(), b"/etc/passwd")])),
    "twice": ("duplicate_name", zipped([*GOOD.items(), ("cat//0.png", picture(77))])),
    "twice in a tar": ("duplicate_name", tarred(GOOD | {"./cat/0.png": picture(77)})),
    "only case differs": ("duplicate_name", zipped(GOOD | {"cat/0.PNG": picture(77)})),
    "encrypted": ("encrypted_archive", _encrypted()),
    "lzma": ("unknown_compression", _lzma()),
    "half a zip": ("damaged_archive", zipped(GOOD)[:-200]),
    "half a tar": ("damaged_archive", tarred(GOOD)[:5000]),
    "half a tar at a file's end": ("damaged_archive", tarred(GOOD)[: 1024 * 4]),
    "half a tar.gz": ("damaged_archive", tarred(GOOD, "w:gz")[:-300]),
    "gzip of no tar": ("damaged_archive", gzip.compress(b"hello" * 500)),
    "a broken header in a tar": ("damaged_archive", tarred(GOOD)[:1024] + b"x" * 512 + tarred(GOOD)[1536:]),
    "empty": ("empty_file", b""),
    "empty zip": ("no_pictures", zipped({})),
    "text": ("unknown_archive", b"hello"),
    "7z": ("unknown_archive", b"7z\xbc\xaf\x27\x1c" + bytes(100)),
    "a picture": ("unknown_archive", picture(1)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_and_broken_archives_are_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    code, data = REFUSED[case]
    found = checked(tmp_path, data)
    assert found.code == code
    assert found.reason.endswith(".")
    assert "Traceback" not in found.reason


def test_a_refusal_names_the_file_at_fault(tmp_path: Path) -> None:
    assert "“cat/link.png”" in checked(tmp_path, REFUSED["symlink"][1]).reason


# --- bombs ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FREE_UNPACKED_BYTES", 100_000)
    monkeypatch.setattr(limits, "MAX_MEMBERS", 50)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("pack", [zipped, lambda files: tarred(files, "w:gz")], ids=["zip", "tar.gz"])
def test_what_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    bomb = pack(GOOD | {"cat/zeros.bmp": bytes(3_000_000)})
    assert checked(tmp_path, bomb).code == "archive_bomb"


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_too_many_files_are_refused(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    files = class_folders("cat", "dog", each=26)
    assert checked(tmp_path, pack(files)).code == "too_many_files"


def test_a_zip_that_claims_a_giant_directory_is_refused_unread(tmp_path: Path) -> None:
    data = bytearray(zipped(GOOD))
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<L", data, at + 12, limits.MAX_CENTRAL_DIRECTORY_BYTES + 1)
    assert checked(tmp_path, bytes(data)).code == "too_many_files"


def test_a_tar_with_an_endless_header_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 1_000_000
    header = info.tobuf(tarfile.GNU_FORMAT) + b"a" * info.size + bytes(-info.size % 512)
    found = checked(tmp_path, gzip.compress(header + tarred(GOOD)))
    assert found.code == "damaged_archive"
    assert "header" in found.reason


def test_a_member_that_lies_about_its_size_is_skipped(tmp_path: Path) -> None:
    """Declared 500 bytes, unpacks to a million: no more than declared is ever unpacked."""
    data = bytearray(zipped(GOOD | {"cat/liar.png": bytes(1_000_000)}))
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, at + 24, 500)
    assert "damaged" in checked(tmp_path, bytes(data)).reasons()["cat/liar.png"]


def test_a_damaged_member_of_a_zip_is_skipped_and_the_rest_used(tmp_path: Path) -> None:
    data = bytearray(zipped(GOOD))
    at = data.find(b"cat/0.png") + len("cat/0.png")
    data[at : at + 20] = bytes(20)
    found: Checked = checked(tmp_path, bytes(data))
    assert found.report["samples"] == 7
    assert "damaged" in found.reasons()["cat/0.png"]


def test_zlib_really_packs_zeros_a_thousandfold() -> None:
    """The ratio that the limit relies on: no honest picture comes near it."""
    assert len(zlib.compress(bytes(1_000_000))) < 1_100
