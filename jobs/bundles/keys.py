"""The cooperative's signing key: made at first start, kept in the home folder."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hardware.nodes.keys import kept
from jobs.bundles import signing

SIGNING_KEY = "signing-key.pem"


def signing_key() -> Ed25519PrivateKey:
    """The private key, made on first use (`GRISTMILL_HOME/secrets/signing-key.pem`, readable by us alone).

    Raises ValueError when the file holds anything else.
    """
    return signing.load_private(kept(SIGNING_KEY, lambda: signing.private_pem(signing.new_key())))


def public_pem() -> str:
    """The public half as PEM text, by which bundles are verified."""
    return signing.public_pem(signing_key())
