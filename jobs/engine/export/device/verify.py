"""Is this bundle as its portal signed it? Python 3.9 or newer, standard library alone.

`manifest.sig` is an Ed25519 signature over the bytes of `manifest.json`, which holds the SHA-256 of all other
files.
`cryptography` is used where it is installed; the small verifier below gives the same answers, more slowly.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

KEY_BYTES = 32
SIGNATURE_BYTES = 64
# What comes before the key in a SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4).
PREFIX = bytes.fromhex("302a300506032b6570032100")


def verify(folder: Path, key_file: Path) -> tuple[bool, str]:
    """Whether the bundle in `folder` is genuine by the public key in `key_file` (PEM), and a sentence."""
    key = public_key(key_file)
    if key is None:
        return False, f"{key_file}: not an Ed25519 public key in PEM form"
    try:
        manifest, signature = (folder / "manifest.json").read_bytes(), (folder / "manifest.sig").read_bytes()
    except OSError:
        return False, "manifest.json or manifest.sig is missing: this bundle is not signed."
    if not signed(key, signature, manifest):
        return False, "The signature is NOT valid: this bundle does not come from the holder of that key."
    files = json.loads(manifest)["files"]
    for name, wanted in files.items():
        if not unchanged(folder, name, wanted):
            return False, f"{name!a} is NOT the file that was signed."
    return True, f"OK: the signature is valid and all {len(files)} files are as signed."


def unchanged(folder: Path, name: str, wanted: dict[str, Any]) -> bool:
    if Path(name).name != name:
        return False  # nothing outside the folder belongs to a bundle
    try:
        content = (folder / name).read_bytes()
    except OSError:
        return False
    return bool(len(content) == wanted["bytes"] and hashlib.sha256(content).hexdigest() == wanted["sha256"])


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
