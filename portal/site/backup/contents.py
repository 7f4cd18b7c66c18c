"""What a backup consists of, and what it is called in the archive.

A plain tar. First `head.json`: which format, code and migrations it was made with. Then every table as
`database/<table>.jsonl.gz`: the names of its columns, and a line for each row, the same for every kind of database.
Then the store as `blobs/ab/abcd…` (a blob's name is its SHA-256), and `secrets/…`. Last `manifest.json`: the SHA-256 of
every part; an archive without it is not complete.
"""

import hashlib
import re
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from django.conf import settings

FORMAT = 1
HEAD, MANIFEST = "head.json", "manifest.json"
CHUNK = 1024 * 1024
TABLE = re.compile(r"database/([a-z0-9_]+)\.jsonl\.gz")
BLOB = re.compile(r"blobs/[0-9a-f]{2}/([0-9a-f]{64})")
SECRET = re.compile(r"secrets/([A-Za-z0-9_-][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class Head:
    """What has to be known before anything else is read. `migrations`: the last ones applied, as app and name."""

    format: int
    code: str
    made_at: str
    database: str
    migrations: list[tuple[str, str]]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        value["migrations"] = [(app, name) for app, name in value["migrations"]]
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Manifest:
    """`parts`: the SHA-256 of everything in the archive but blobs, whose names say theirs. `blobs` and `blob_bytes`
    count what belongs to it, `names` is the SHA-256 over their sorted names; `beside` when they lie in a folder of
    their own; `damaged` are those that the store had lost.
    """

    parts: dict[str, str] = field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    names: str = ""
    beside: bool = False
    damaged: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Names:
    """A running hash over names that come in order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str) -> None:
        self._digest.update(name.encode() + b"\n")

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def blob_name(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256}"


def code_version() -> str:
    """The version of this code, as its project file says."""
    try:
        text = (settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return str(tomllib.loads(text)["project"]["version"])
