"""The board's own Ed25519 against RFC 8032's vectors and against cryptography."""

import ast
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as some

from jobs.bundles import signing
from jobs.engine.export import device
from tests.bundles.folders import write_manifest

FOLDER = Path(device.__file__).parent
verify = runpy.run_path(str(FOLDER / "verify.py"))
# RFC 8032, section 7.1: secret, public, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert verify["ed25519_verify"](key, signed, text)
    assert not verify["ed25519_verify"](key, signed, text + b"x")
    assert not verify["ed25519_verify"](key, signed[:-1] + bytes([signed[-1] ^ 1]), text)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(text) == signed


def test_a_signature_has_one_form() -> None:
    """s + the group's order verifies too unless it is looked at: RFC 8032, 5.1.7 forbids it."""
    _, public, message, signature = (bytes.fromhex(part) for part in VECTORS[1])
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify["ed25519_verify"](public, signature[:32] + s.to_bytes(32, "little"), message)


@given(some.binary(max_size=64), some.integers(0, 95), some.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_agrees_with_cryptography_on_spoilt_bits(message: bytes, byte: int, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    spoilt = bytearray(key.public_key().public_bytes_raw() + key.sign(message))
    spoilt[byte] ^= 1 << bit
    public, signature = bytes(spoilt[:32]), bytes(spoilt[32:])
    assert verify["ed25519_verify"](public, signature, message) == verify["signed"](
        public, signature, message
    )


@pytest.mark.parametrize("key", [b"", bytes(31), b"\xff" * 32])
def test_what_is_no_key_is_no_crash(key: bytes) -> None:
    assert not verify["ed25519_verify"](key, bytes(64), b"")
    assert not verify["ed25519_verify"](key, b"", b"")


def test_keys_as_pem(tmp_path: Path) -> None:
    key = signing.new_key()
    again = signing.load_private(signing.private_pem(key))
    public = signing.load_public(signing.public_pem(again))
    assert signing.is_signed(public, signing.sign(key, b"manifest"), b"manifest")
    assert not signing.is_signed(public, signing.sign(key, b"manifest"), b"another")
    (tmp_path / "key.pem").write_text(signing.public_pem(key))
    assert verify["public_key"](tmp_path / "key.pem") == public.public_bytes_raw()
    (tmp_path / "secret.pem").write_bytes(signing.private_pem(key))
    assert verify["public_key"](tmp_path / "secret.pem") is None
    with pytest.raises(ValueError, match="PEM"):
        signing.load_public("no key")


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.py")))
def test_boards_run_python_3_9(name: str) -> None:
    ast.parse((FOLDER / name).read_text(), feature_version=(3, 9))


def _python39() -> str | None:
    """A Python 3.9 that starts: pyenv's placeholder on the path may not."""
    named = shutil.which("python3.9")
    for path in [*Path.home().glob(".pyenv/versions/3.9.*/bin/python"), *([Path(named)] if named else [])]:
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(path)
    return None


PYTHON39 = _python39()


@pytest.mark.skipif(PYTHON39 is None, reason="no Python 3.9 on this machine")
def test_python_3_9_verifies_with_the_standard_library(tmp_path: Path) -> None:
    key = signing.new_key()
    for name in ("run.py", "verify.py"):
        shutil.copy(FOLDER / name, tmp_path)
    write_manifest(tmp_path)
    manifest = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.sig").write_bytes(signing.sign(key, manifest))
    (tmp_path / "key.pem").write_text(signing.public_pem(key))
    argv = [PYTHON39 or "", "-I", "-S", tmp_path / "run.py", "--verify", "--key", tmp_path / "key.pem"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK")
