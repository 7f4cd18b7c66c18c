"""Secrets that stand in the home folder."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from portal.kit import keep


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """The secret of that name in `GRISTMILL_HOME/secrets`, made on first use (see `portal.kit.keep`)."""
    return keep.kept(Path(settings.HOME) / "secrets" / name, make)
