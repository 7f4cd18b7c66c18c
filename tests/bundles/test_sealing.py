"""What a build left is signed only when it is exactly what its manifest says."""

import json
import os
import runpy
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.bundles import signing
from jobs.bundles.sealing import SealError, seal, signature_in
from tests.bundles.folders import DEVICE, as_bytes, write_manifest

KEY = signing.new_key()


def sealed(build: Path, name: str = "b.zip") -> Path:
    out = build.parent / name
    seal(build, KEY, out, "pets-raspberry-pi-4")
    return out


def refusal(build: Path) -> str:
    with pytest.raises(SealError) as refused:
        sealed(build)
    return refused.value.detail


def test_the_zip_is_verified_by_the_boards_own_verifier(build: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(sealed(build)) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"pets-raspberry-pi-4"}
        archive.extractall(tmp_path)
    key = tmp_path / "key.pem"
    key.write_text(signing.public_pem(KEY))
    folder = tmp_path / "pets-raspberry-pi-4"
    verify = runpy.run_path(str(DEVICE / "verify.py"))["verify"]
    assert verify(folder, key)[0]
    key.write_text(signing.public_pem(signing.new_key()))
    assert not verify(folder, key)[0]


def test_the_signature_is_over_the_manifests_bytes_and_found_again(build: Path) -> None:
    out = build.parent / "b.zip"
    signature = seal(build, KEY, out, "top")
    assert signature_in(out) == signature
    with zipfile.ZipFile(out) as archive:
        raw = archive.read("top/manifest.sig")
        manifest = archive.read("top/manifest.json")
    assert signing.is_signed(KEY.public_key(), raw, manifest)
    assert manifest == (build / "manifest.json").read_bytes()


def test_the_same_folder_makes_the_same_zip(build: Path) -> None:
    first = sealed(build, "a.zip").read_bytes()
    for path in build.iterdir():
        os.utime(path, (1, 1))
    assert sealed(build, "b.zip").read_bytes() == first


@pytest.mark.parametrize("top", ["", "..", "a/b", "/a"])
def test_the_top_folder_is_one_name(build: Path, top: str) -> None:
    with pytest.raises(ValueError, match="name of one folder"):
        seal(build, KEY, build.parent / "b.zip", top)


def test_run_py_can_be_run_after_unzipping(build: Path) -> None:
    with zipfile.ZipFile(sealed(build)) as archive:
        mode = archive.getinfo("pets-raspberry-pi-4/run.py").external_attr >> 16
    assert stat.S_ISREG(mode)
    assert mode & 0o111


def _change_a_byte(folder: Path) -> None:
    with (folder / "model.tflite").open("r+b") as file:
        file.write(b"X")


def _grow(folder: Path) -> None:
    with (folder / "model.tflite").open("ab") as file:
        file.write(b"X")


def _slip_in(folder: Path) -> None:
    (folder / "extra.py").write_text("print()")


def _leave_out(folder: Path) -> None:
    (folder / "labels.json").unlink()


def _link(folder: Path) -> None:
    (folder / "labels.json").unlink()
    (folder / "labels.json").symlink_to("/etc/hostname")


def _pipe(folder: Path) -> None:
    (folder / "labels.json").unlink()
    os.mkfifo(folder / "labels.json")


def _folder(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "file").write_text("x")


def _linked_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "elsewhere.json")
    (folder / "manifest.json").symlink_to(folder.parent / "elsewhere.json")


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _broken_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _deep_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 200_000)


def _wrong_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(as_bytes({"files": ["model.tflite"]}))


def _empty_manifest(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    write_manifest(folder)


def _own_signature(folder: Path) -> None:
    (folder / "manifest.sig").write_bytes(b"0" * 64)
    write_manifest(folder)


def _odd_name(folder: Path) -> None:
    (folder / "a\nb").write_text("x")
    write_manifest(folder)


def _hidden_name(folder: Path) -> None:
    (folder / ".profile").write_text("x")
    write_manifest(folder)


def _too_many(folder: Path) -> None:
    for number in range(600):
        (folder / f"f{number}").touch()
    write_manifest(folder)


def _too_large(folder: Path) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(2 * 1024**3)  # a hole: takes no space on the disk


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_change_a_byte, "model.tflite is not what"),
        (_grow, "model.tflite is not what"),
        (_slip_in, "'extra.py'"),
        (_leave_out, "'labels.json'"),
        (_link, "not a plain file"),
        (_pipe, "not a plain file"),
        (_folder, "not a plain file"),
        (_linked_manifest, "not a plain file"),
        (_no_manifest, "no manifest.json"),
        (_broken_manifest, "can't be read"),
        (_deep_manifest, "can't be read"),
        (_wrong_manifest, "can't be read"),
        (_empty_manifest, "can't be read"),
        (_own_signature, "manifest.sig"),
        (_odd_name, "has the name"),
        (_hidden_name, "has the name"),
        (_too_many, "more than"),
        (_too_large, "more than"),
    ],
)
def test_a_tampered_folder_is_not_signed(build: Path, tamper: Callable[[Path], None], says: str) -> None:
    tamper(build)
    assert says in refusal(build)


def test_a_linked_folder_is_not_followed(build: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(build)
    with pytest.raises(SealError):
        seal(tmp_path / "link", KEY, tmp_path / "b.zip", "top")


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "left none" in refusal(tmp_path / "nothing")


def test_what_the_manifest_says_of_itself_stays(build: Path) -> None:
    write_manifest(build, name="pets")
    with zipfile.ZipFile(sealed(build)) as archive:
        assert json.loads(archive.read("pets-raspberry-pi-4/manifest.json"))["name"] == "pets"
