"""The cooperative's signing key: `GRISTMILL_SIGNING_KEY`, which nodes with homes of their own share; else made at first
start and kept in the home folder.
"""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils.translation import gettext as _

from hardware.nodes.keys import kept
from jobs.bundles import signing
from portal.kit.errors import UserError

SIGNING_KEY = "signing-key.pem"
VERIFIER = Path(settings.BASE_DIR) / "jobs" / "engine" / "export" / "device" / "verify.py"


def signing_key() -> Ed25519PrivateKey:
    """The private key: the setting's, else made on first use (`GRISTMILL_HOME/secrets/signing-key.pem`, readable by us
    alone). UserError when the setting holds anything else, ValueError when the file does.
    """
    if settings.SIGNING_KEY:
        return _from_setting(settings.SIGNING_KEY)
    return signing.load_private(kept(SIGNING_KEY, lambda: signing.private_pem(signing.new_key())))


def _from_setting(pem: str) -> Ed25519PrivateKey:
    try:
        return signing.load_private(pem.encode())
    except ValueError:
        detail = _(
            "GRISTMILL_SIGNING_KEY is no Ed25519 private key in PEM. Make one with: openssl genpkey -algorithm ed25519"
        )
        raise UserError("bad_signing_key", detail) from None


def public_pem() -> str:
    """The public half as PEM text, by which bundles are verified."""
    return signing.public_pem(signing_key())


def verifier() -> bytes:
    """The program that checks bundles by that key: ours, so that nobody has to trust the copy in a first bundle."""
    return VERIFIER.read_bytes()


def signed_by() -> dict[str, str]:
    """What manifests say of the key: its kind, and the SHA-256 of its 32 public bytes. Only a hint: what is signed, its
    own signature proves.
    """
    raw = signing_key().public_key().public_bytes_raw()
    return {"algorithm": "Ed25519", "key_sha256": hashlib.sha256(raw).hexdigest()}
