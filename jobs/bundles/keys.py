"""The cooperative's signing key: Ed25519, made at first start, kept in the home folder."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hardware.nodes.keys import kept

SIGNING_KEY = "signing-key.pem"


def signing_key() -> Ed25519PrivateKey:
    """The private key, made on first use (`GRISTMILL_HOME/secrets/signing-key.pem`, readable by us alone)."""
    key = serialization.load_pem_private_key(kept(SIGNING_KEY, _new_pem), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(
            f"secrets/{SIGNING_KEY} holds no Ed25519 key. Put the old one back, or delete it for a new one."
        )
    return key


def public_pem() -> str:
    """The public half as PEM text, by which bundles are verified."""
    raw = (
        signing_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return raw.decode("ascii")


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
