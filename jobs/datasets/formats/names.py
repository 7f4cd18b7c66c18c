"""Names that members chose: cleaned for use, shortened for sentences. All of them are hostile until then."""

import re
import unicodedata
from typing import Final

from jobs.datasets.formats.limits import MAX_PATH_CHARACTERS, MAX_PATH_DEPTH
from jobs.datasets.formats.rejected import Rejected

BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that turn the direction of text round and so can make one name look like another."""
JOINERS: Final = "\u200c\u200d"
"""Invisible, but parts of words and of emoji."""
LITTER: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"})
SHOWN_CHARACTERS: Final = 120


def clean(text: str, limit: int | None = None) -> str:
    """`text` in NFC on one line, without control characters and direction marks, at most `limit` long."""
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", text.replace("\t", " ").replace("\n", " "))
        text = "".join(c for c in text if c not in BIDI and unicodedata.category(c) not in {"Cc", "Cs"})
    text = " ".join(text.split())
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def shown(name: str) -> str:
    """A name for use inside a sentence: quoted, bounded, and without characters that show nothing."""
    text = clean(name, SHOWN_CHARACTERS)
    return "“" + "".join(c if c.isprintable() or c in JOINERS else "\ufffd" for c in text) + "”"


def member_path(raw: str) -> str:
    """An archive member's name as parts joined by "/", normalised; "" for the root itself.

    Raises `Rejected` for a name that would leave the archive's own folder or that no file system would take.
    """
    name = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise Rejected(
            "absolute_name",
            f"The archive holds {shown(raw)}, a name from the root of a disk. Pack the folder itself, "
            "so that all names are relative, and upload again.",
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Rejected(
            "unsafe_name",
            f"The archive holds {shown(raw)}, a name that leads out of its own folder (“..”). "
            "Pack the folder again without such names.",
        )
    if len(name) > MAX_PATH_CHARACTERS or len(parts) > MAX_PATH_DEPTH:
        raise Rejected(
            "name_too_long",
            f"The archive holds {shown(raw)}, a name that is too long or too deep "
            f"(at most {MAX_PATH_CHARACTERS} characters and {MAX_PATH_DEPTH} folders). Shorten it.",
        )
    return "/".join(parts)


def is_litter(path: str) -> bool:
    """Whether operating systems and tools left this file behind: hidden files, macOS and Windows metadata."""
    return any(part.startswith(".") or part.lower() in LITTER for part in path.split("/"))


def repaired(raw: str, encoding: str) -> str:
    """A name that was decoded as `encoding` for want of better, as UTF-8 where its bytes are that.

    macOS writes UTF-8 into zips without saying so, and old tars hold whatever the machine used.
    """
    if raw.isascii():
        return raw
    try:
        data = raw.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return raw
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return raw if encoding == "cp437" else data.decode("cp1252", "replace")
