"""Is this bundle as its portal signed it? Python 3.9 or newer, standard library alone.

`manifest.sig` is an Ed25519 signature over the bytes of `manifest.json`, which holds the SHA-256 of all other
files.
`cryptography` is used where it is installed; the small verifier below gives the same answers, more slowly. By itself,
as the portal hands it out, it checks bundles of which nothing is trusted yet: `python3 -I verify.py --help`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KEY_BYTES = 32
SIGNATURE_BYTES = 64
OWN = ("manifest.json", "manifest.sig")  # in a bundle, but not in its own list
MAX_MANIFEST_BYTES = 4 * 1024**2
# What comes before the key in a SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4).
PREFIX = bytes.fromhex("302a300506032b6570032100")


class VerifyError(Exception):
    """One thing that is wrong; `problem` is its word for programs, `file` the file it is about."""

    def __init__(self, problem: str, sentence: str, file: str | None = None) -> None:
        super().__init__(sentence)
        self.problem, self.file = problem, file

    def as_json(self) -> dict[str, Any]:
        return {"problem": self.problem, "file": self.file, "sentence": str(self)}


def report(
    bundles: list[Path], here: Path, key_file: Path, as_json: bool, plain: Callable[[str], str]
) -> int:
    """Says of each bundle (of `here`, when none is named) what is wrong: 0 when all are as signed, 1 when one is not, 2
    when that could not be found out. `plain` makes a text fit for a terminal.
    """
    status = 0
    for path in bundles or [here]:
        found = examine(path, key_file)
        problems = found["problems"]
        if as_json:
            print(json.dumps(found), flush=True)
        elif not problems:
            which = f"{plain(str(path))}: " if bundles else ""
            print(f"{which}OK: the signature is valid and all {found['files']} files are as signed.")
        else:
            for each in problems:
                print(f"error: {plain(each['sentence'])}", file=sys.stderr)
        unchecked = any(each["problem"] in ("key", "unreadable") for each in problems)
        status = max(status, 2 if unchecked else bool(problems))
    return status


def verify(source: Path, key_file: Path) -> tuple[bool, str]:
    """Whether the bundle (its folder, or the zip as it was downloaded) is genuine by the public key in `key_file`,
    and a sentence.
    """
    found = examine(source, key_file)
    if found["genuine"]:
        return True, f"OK: the signature is valid and all {found['files']} files are as signed."
    return False, " ".join(each["sentence"] for each in found["problems"])


def examine(source: Path, key_file: Path) -> dict[str, Any]:
    """`genuine`, how many `files` are signed, and all `problems` (see `VerifyError`; the words are in README.md)."""
    files: int = 0
    problems: list[VerifyError] = []
    try:
        key = needed_key(key_file)
        bundle: Folder | Zipped = Zipped(source) if source.is_file() else Folder(source, key_file)
        listed = signed_files(bundle, key)
        files, problems = len(listed), list(differences(bundle, listed))
    except VerifyError as error:
        problems = [error]
    told = [each.as_json() for each in problems]
    return {"bundle": str(source), "genuine": not told, "files": files, "problems": told}


def needed_key(path: Path) -> bytes:
    key = public_key(path)
    if key is None:
        raise VerifyError("key", f"{path}: not an Ed25519 public key in PEM form", str(path))
    return key


class Folder:
    """An unpacked bundle. What begins with a dot (`.venv`) is no part of any, nor is the key that it is checked by."""

    def __init__(self, path: Path, key_file: Path) -> None:
        if not path.is_dir():
            raise VerifyError("unreadable", f"{path}: no such file or folder", str(path))
        self.path, self.key_file = path, key_file

    def names(self) -> list[str]:
        key = self.key_file.resolve()
        there = [each for each in self.path.iterdir() if not each.name.startswith(".")]
        return [each.name for each in there if each.resolve() != key]

    def read(self, name: str, most: int) -> bytes | None:
        """The content; None when it can't be read, or is larger than `most`."""
        path = self.path / name
        try:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                content = file.read(most + 1)
        except OSError:
            return None
        return None if len(content) > most else content


class Zipped:
    """A bundle's zip: one folder, in which all its files are."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except (OSError, ValueError, zipfile.BadZipFile):
            broken = f"{path} is no whole zip, perhaps it was cut short: download it again."
            raise VerifyError("zip", broken, str(path)) from None
        manifests = [name for name in self.zip.namelist() if name.split("/")[-1] == OWN[0]]
        self.top = min(manifests, key=len, default="")[: -len(OWN[0])]

    def names(self) -> list[str]:
        names = self.zip.namelist()
        return [
            name[len(self.top) :] if name.startswith(self.top) else f"/{name}"
            for name in names
            if name != self.top
        ]

    def read(self, name: str, most: int) -> bytes | None:
        """The content; None when it can't be read, or is larger than `most`."""
        try:
            with self.zip.open(self.top + name) as file:
                content = file.read(most + 1)
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile):
            return None
        return None if len(content) > most else content


def signed_files(bundle: Folder | Zipped, key: bytes) -> dict[str, Any]:
    """`files` of the manifest, once its signature holds. VerifyError when it does not."""
    there = bundle.names()
    for name in OWN:
        if name not in there:
            raise VerifyError("missing", f"{name} is missing: this bundle is NOT signed.", name)
    manifest, signature = (bundle.read(name, MAX_MANIFEST_BYTES) or b"" for name in OWN)
    try:
        found = json.loads(manifest)
        files: dict[str, Any] = found["files"]
        named = found.get("signed_by", {}).get("key_sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise VerifyError(
            "signature", "manifest.json is damaged: it is NOT what was signed.", OWN[0]
        ) from None
    if signed(key, signature, manifest):
        return files
    own = hashlib.sha256(key).hexdigest()
    if named and named != own:
        raise VerifyError(
            "wrong key",
            f"The signature is NOT valid by this key (SHA-256 {own[:16]}…): the bundle says that it was signed with "
            f"another one (SHA-256 {str(named)[:16]!a}…).",
        )
    raise VerifyError(
        "signature",
        "The signature is NOT valid: manifest.json or manifest.sig was changed, or it was another key.",
    )


def differences(bundle: Folder | Zipped, listed: dict[str, Any]) -> Iterator[VerifyError]:
    """What is not as it was signed, file by file."""
    there = bundle.names()
    for name, wanted in sorted(listed.items()):
        if name not in there:
            yield VerifyError("missing", f"{name!a} is missing.", name)
            continue
        content = bundle.read(name, wanted["bytes"])
        if content is None or hashlib.sha256(content).hexdigest() != wanted["sha256"]:
            yield VerifyError("changed", f"{name!a} is NOT the file that was signed.", name)
    rest = sorted(there)
    for name in [*listed, *OWN]:
        if name in rest:
            rest.remove(name)  # once: a zip may hold two files of one name
    for name in rest:
        yield VerifyError("added", f"{name!a} was added: it is NOT among what was signed.", name)


def public_key(path: Path) -> bytes | None:
    """The 32 bytes of the key in a PEM file; None when there is none."""
    try:
        lines = path.read_text("ascii").strip().splitlines()
        der = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (OSError, ValueError):
        return None
    return der[len(PREFIX) :] if der.startswith(PREFIX) and len(der) == len(PREFIX) + KEY_BYTES else None


def signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` was made with the secret half of `key`."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return ed25519_verify(key, signature, message)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Ed25519 by RFC 8032, section 5.1. Only verification, which holds no secret that its timing could give away.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # a square root of -1
BASE_Y = 4 * pow(5, -1, P) % P


def ed25519_verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """The check `s B = R + h A` without the cofactor, as cryptography's OpenSSL does it."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    a, r = decompress(key), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left = multiply(s, decompress(BASE_Y.to_bytes(32, "little")))
    return same(left, add(r, multiply(h, a)))


def decompress(data: bytes) -> Any:
    """The point in extended coordinates (x, y, z, t), x/z and y/z affine, t = x y / z; None for no point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


def add(p: Any, q: Any) -> Any:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(factor: int, point: Any) -> Any:
    total: Any = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def same(p: Any, q: Any) -> bool:
    return not ((p[0] * q[2] - q[0] * p[2]) % P or (p[1] * q[2] - q[1] * p[2]) % P)


# --- by itself ----------------------------------------------------------------------------------------------


def main() -> int:
    import argparse  # run.py has its own command line

    options = argparse.ArgumentParser(
        description="Is each bundle as its portal signed it? Nothing in it is run.",
        epilog="Exit status: 0 all are as signed, 1 one is not (stderr says what), 2 it could not be found out.",
    )
    options.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="a zip as downloaded, or a folder"
    )
    options.add_argument("--key", required=True, type=Path, metavar="PEM", help="the portal's public key")
    options.add_argument("--json", action="store_true", help="one JSON object a line")
    given = options.parse_args()
    return report(given.bundles, Path(), given.key, given.json, plain)


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


if __name__ == "__main__":
    sys.exit(main())
