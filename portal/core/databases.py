"""The databases that the portal runs on, as Django's settings for them."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from portal.kit import postgres


def sqlite(home: Path) -> dict[str, Any]:
    """SQLite for several processes: write-ahead log, and every transaction takes its lock at once."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": home / "gristmill.sqlite3",
        "TEST": {
            "NAME": home / "test.sqlite3"
        },  # a file, as in production: threads wait for one another's locks
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # Each thread of the portal has a connection, so pages are kept in the kernel's cache, not in each one's.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1000;",
        },
    }


def postgresql(url: str) -> dict[str, Any]:
    """PostgreSQL at `url` (`portal.kit.postgres`). A server that does not answer is an error soon, not a wait."""
    found = postgres.parse(url)
    patience = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "tcp_user_timeout": 20_000,
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        **found,
        "OPTIONS": patience | found["OPTIONS"],
    }


def of(url: str, *, home: Path) -> dict[str, Any]:
    """The database at `url`, or without one that of the home. ImproperlyConfigured for any other kind."""
    if not url:
        return sqlite(home)
    if urlsplit(url).scheme in postgres.SCHEMES:
        return postgresql(url)
    raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://, or be left out for SQLite.")
