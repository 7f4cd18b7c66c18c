"""Bytes that something newer has taken the place of: they go soon, not after the hours that new bytes are kept for.

A long training saves a checkpoint every few seconds; those of the last hours would fill the disk.
"""

from datetime import timedelta

from django.utils import timezone

from portal.core import storage

SOON = timedelta(minutes=2)  # for whoever is reading them


def let_go(sha256: str | None) -> bool:
    """Have the blob freed in two minutes unless something refers to it, or comes to by then; whether nothing does."""
    if sha256 is None:
        return False
    loose = storage.unreferenced().filter(pk=sha256, condemned_at=None)
    return loose.update(condemned_at=timezone.now() - storage.GRACE + SOON) == 1
