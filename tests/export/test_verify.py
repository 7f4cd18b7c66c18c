"""`run.py --verify`: what exactly is not as it was signed, in words, as JSON and as an exit status."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rest_framework.test import APIClient

from jobs.bundles import keys
from jobs.bundles.sealing import seal
from jobs.bundles.signing import new_key, public_pem
from portal.members.models import Member
from tests.bundles.folders import DEVICE, write_manifest

KEY = new_key()
TOP = "pets-raspberry-pi-4"
# -S hides every installed package, cryptography among them.
PYTHONS = [("-I",), ("-I", "-S")]


def signed_by(key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(keys, "signing_key", lambda: key)
    return keys.signed_by()


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sealed bundle's folder; its zip and the key, as PEM, lie beside it."""
    made = tmp_path / "made"
    made.mkdir()
    for name in ("run.py", "verify.py"):
        shutil.copy(DEVICE / name, made)
    (made / "model.tflite").write_bytes(bytes(range(256)) * 40)
    (made / "README.md").write_text("# Pets\n")
    write_manifest(made, signed_by=signed_by(KEY, monkeypatch))
    seal(made, KEY, tmp_path / "bundle.zip", TOP)
    (tmp_path / "KEY.pem").write_text(public_pem(KEY))
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / TOP


def verify(
    bundle: Path, *args: object, key: str = "KEY.pem", python: Sequence[str] = ("-I",)
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *python, bundle / "run.py", "--verify", "--key", bundle.parent / key, *args]
    return subprocess.run(
        [str(arg) for arg in argv], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )


def change(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


SPOILT: dict[str, tuple[Callable[[Path], object], list[tuple[str, str | None]], str]] = {
    "a changed file": (
        lambda folder: change(folder, "model.tflite"),
        [("changed", "model.tflite")],
        "'model.tflite' is NOT the file that was signed",
    ),
    "a longer file": (
        lambda folder: (folder / "README.md").write_text("# Pets\n\n"),
        [("changed", "README.md")],
        "'README.md' is NOT the file that was signed",
    ),
    "an added file": (
        lambda folder: (folder / "numpy.py").write_text("import os"),
        [("added", "numpy.py")],
        "'numpy.py' was added",
    ),
    "an added folder": (
        lambda folder: (folder / "model").mkdir(),
        [("added", "model")],
        "'model' was added",
    ),
    "a removed file": (
        lambda folder: (folder / "README.md").unlink(),
        [("missing", "README.md")],
        "'README.md' is missing",
    ),
    "all at once": (
        lambda folder: [
            change(folder, "model.tflite"),
            (folder / "README.md").rename(folder / "README.txt"),
        ],
        [("missing", "README.md"), ("changed", "model.tflite"), ("added", "README.txt")],
        "'README.txt' was added",
    ),
    "a changed manifest": (
        lambda folder: (folder / "manifest.json").write_bytes(
            (folder / "manifest.json").read_bytes().replace(b'"format": 1', b'"format":  1')
        ),
        [("signature", None)],
        "The signature is NOT valid: manifest.json or manifest.sig",
    ),
    "a damaged manifest": (
        lambda folder: (folder / "manifest.json").write_bytes(b"\x80"),
        [("signature", "manifest.json")],
        "manifest.json is damaged",
    ),
    "a changed signature": (
        lambda folder: change(folder, "manifest.sig"),
        [("signature", None)],
        "The signature is NOT valid",
    ),
    "no signature": (
        lambda folder: (folder / "manifest.sig").unlink(),
        [("missing", "manifest.sig")],
        "manifest.sig is missing: this bundle is NOT signed",
    ),
}


@pytest.mark.parametrize("python", PYTHONS, ids=["cryptography", "standard library"])
def test_a_genuine_bundle_and_its_zip(bundle: Path, python: tuple[str, ...]) -> None:
    for args in ((), (bundle.parent / "bundle.zip", bundle)):
        done = verify(bundle, *args, python=python)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert len(lines) == max(1, len(args))
        assert all("OK: the signature is valid and all 4 files are as signed." in line for line in lines)
    found = json.loads(verify(bundle, "--json", python=python).stdout)
    assert found == {"bundle": str(bundle), "genuine": True, "files": 4, "problems": []}


@pytest.mark.parametrize("how", SPOILT)
def test_what_was_done_to_it_is_said(bundle: Path, how: str) -> None:
    spoil, problems, sentence = SPOILT[how]
    spoil(bundle)
    trusted = shutil.copytree(DEVICE, bundle.parent / "trusted")  # the bundle's own may be spoilt
    told = verify(trusted, bundle)
    assert told.returncode == 1
    assert told.stdout == ""
    assert sentence in told.stderr
    assert len(told.stderr.splitlines()) == len(problems)
    found = json.loads(verify(trusted, bundle, "--json").stdout)
    assert not found["genuine"]
    assert [(each["problem"], each["file"]) for each in found["problems"]] == problems


def test_another_key_is_named_as_such(bundle: Path) -> None:
    (bundle.parent / "OTHER.pem").write_text(public_pem(new_key()))
    done = verify(bundle, "--json", key="OTHER.pem")
    assert done.returncode == 1
    problem = json.loads(done.stdout)["problems"][0]
    assert problem["problem"] == "wrong key"
    assert "says that it was signed with another one" in problem["sentence"]


def test_what_could_not_be_checked_is_no_verdict(bundle: Path) -> None:
    (bundle.parent / "NONE.pem").write_text("no key")
    done = verify(bundle, "--json", key="NONE.pem")
    assert (done.returncode, json.loads(done.stdout)["problems"][0]["problem"]) == (2, "key")
    done = verify(bundle, "/nowhere", "--json")
    assert (done.returncode, json.loads(done.stdout)["problems"][0]["problem"]) == (2, "unreadable")


def test_its_own_key_and_what_is_hidden_are_no_part_of_it(bundle: Path) -> None:
    (bundle / ".venv").mkdir()
    (bundle / "KEY.pem").write_bytes((bundle.parent / "KEY.pem").read_bytes())
    assert verify(bundle, key=f"{TOP}/KEY.pem").returncode == 0
    assert "'KEY.pem' was added" in verify(bundle).stderr


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.999])
def test_a_zip_that_was_cut_short(bundle: Path, part: float) -> None:
    cut = bundle.parent / "cut.zip"
    whole = (bundle.parent / "bundle.zip").read_bytes()
    cut.write_bytes(whole[: int(part * len(whole))])
    done = verify(bundle, cut, "--json")
    assert done.returncode == 1
    assert [each["problem"] for each in json.loads(done.stdout)["problems"]] == ["zip"]
    assert "download it again" in verify(bundle, cut).stderr


def test_a_zip_with_a_spoilt_file_a_second_one_and_one_outside(bundle: Path) -> None:
    path = bundle.parent / "spoilt.zip"
    with zipfile.ZipFile(bundle.parent / "bundle.zip") as whole:
        offset = whole.getinfo(f"{TOP}/model.tflite").header_offset + 60
    content = bytearray((bundle.parent / "bundle.zip").read_bytes())
    content[offset] ^= 255
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("outside.txt", "")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(f"{TOP}/README.md", "# Pets\n")
    done = verify(bundle, path, "--json")
    assert done.returncode == 1
    said = {(each["problem"], each["file"]) for each in json.loads(done.stdout)["problems"]}
    assert said == {("changed", "model.tflite"), ("added", "README.md"), ("added", "/outside.txt")}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_portals_own_copy_checks_a_first_bundle(
    bundle: Path, tmp_path: Path, python: Sequence[str], alice: Member, api_for: Callable[[Member], APIClient]
) -> None:
    """Nothing of a bundle is run that is not trusted yet, not even when it brings programs of these names."""
    program = tmp_path / "verify.py"
    program.write_bytes(api_for(alice).get("/api/v1/signing-key/verify.py").content)

    def check(*bundles: Path) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, *python, program, "--key", tmp_path / "KEY.pem", *bundles]
        return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60, cwd=bundle)

    genuine = check(bundle, tmp_path / "bundle.zip")
    assert (genuine.returncode, genuine.stderr) == (0, "")
    assert genuine.stdout.splitlines() == [
        f"{path}: OK: the signature is valid and all 4 files are as signed."
        for path in (bundle, tmp_path / "bundle.zip")
    ]
    for name in ("verify.py", "json.py"):
        (bundle / name).write_text(
            "print('OK: the signature is valid and all is well.')\nraise SystemExit(0)\n"
        )
    forged = check(bundle)
    assert (forged.returncode, forged.stdout) == (1, "")
    assert "'verify.py' is NOT the file that was signed" in forged.stderr
    assert "'json.py' was added" in forged.stderr
    assert check(tmp_path / "none.zip").returncode == 2
