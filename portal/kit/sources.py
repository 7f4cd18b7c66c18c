"""Which code this is: a fingerprint of source files."""

import hashlib
from pathlib import Path

SUFFIXES = frozenset({".py", ".c", ".cc", ".h"})


def fingerprint(folder: Path) -> str:
    """SHA-256, in hex, of all source files below `folder`, by path and content: the same on every machine."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.suffix in SUFFIXES):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
