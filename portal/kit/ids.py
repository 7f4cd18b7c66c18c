"""Identifiers: opaque to members, sortable by time for us."""

from ulid import ULID


def new_id() -> str:
    """A lower-case ULID: 26 characters, ordered by creation time to the millisecond."""
    return str(ULID()).lower()
