"""The portal's signature: Ed25519 over a manifest's bytes. Runs outside the sandbox, where the key is."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def new_key() -> Ed25519PrivateKey:
    """A key from the system's random source."""
    return Ed25519PrivateKey.generate()


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """To be stored where the portal alone reads it: PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private(pem: bytes) -> Ed25519PrivateKey:
    """The inverse of `private_pem`; ValueError for anything but an Ed25519 key."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key")  # noqa: TRY004 - one error for all bad keys
    return key


def public_pem(key: Ed25519PrivateKey) -> str:
    """What devices check signatures with: SubjectPublicKeyInfo (RFC 8410)."""
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode("ascii")


def load_public(pem: str) -> Ed25519PublicKey:
    """The inverse of `public_pem`; ValueError for anything but an Ed25519 key."""
    key = serialization.load_pem_public_key(pem.encode("ascii"))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")  # noqa: TRY004 - one error for all bad keys
    return key


def sign(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """64 bytes."""
    return key.sign(manifest)


def is_signed(public: Ed25519PublicKey, signature: bytes, manifest: bytes) -> bool:
    try:
        public.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True
