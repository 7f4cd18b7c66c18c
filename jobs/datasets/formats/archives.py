"""Archives that members upload, walked without ever being unpacked to disk.

An archive is listed first (every name and size checked, hostile ones `Rejected`), then its wanted files are
read in the archive's own order. Names are those of `names.member_path`; litter is left out.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from jobs.datasets.formats import limits
from jobs.datasets.formats.names import is_litter, shown
from jobs.datasets.formats.rejected import Rejected


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive; `size` is what it unpacks to, in bytes."""

    name: str
    size: int


class Archive(Protocol):
    """A zip or a tar."""

    container: str
    """"zip" or "tar"."""

    def members(self) -> list[Member]:
        """All files, in the archive's order. Raises `Rejected` when the archive is hostile or damaged."""
        ...

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | None]]:
        """Name and bytes of each wanted file, in the archive's order; None where only that file is damaged.

        Names must come from `members`. Raises `Rejected` when the rest cannot be read.
        """
        ...


def content_bytes(content: tuple[str, bytes | None]) -> int:
    """What one item of `Archive.contents` holds in memory."""
    return len(content[1] or b"")


def checked(members: Iterable[Member], uploaded_bytes: int) -> list[Member]:
    """The members without litter. Raises `Rejected` for bombs and for names that are there twice."""
    kept: list[Member] = []
    total = named = 0
    for count, member in enumerate(members, 1):
        total += member.size
        named += len(member.name)
        check_count(count)
        _check_names(named)
        check_total(total, uploaded_bytes)
        if not is_litter(member.name):
            kept.append(member)
    _refuse_twins(kept)
    return kept


def check_count(count: int) -> None:
    if count > limits.MAX_MEMBERS:
        raise Rejected(
            "too_many_files",
            f"The archive holds more than {limits.MAX_MEMBERS:,} files. Split it, or pack fewer.",
        )


def _check_names(characters: int) -> None:
    if characters > limits.MAX_NAMES_CHARACTERS:
        raise Rejected(
            "too_many_files",
            f"The names of the archive's files are together longer than {limits.MAX_NAMES_CHARACTERS:,} "
            "characters. Give them shorter names, or pack fewer.",
        )


def check_total(unpacked: int, uploaded_bytes: int) -> None:
    """Raises `Rejected` when so much comes out of so few bytes that it must be a bomb, or simply too much."""
    allowed = limits.FREE_UNPACKED_BYTES + uploaded_bytes * limits.MAX_UNPACK_RATIO
    if unpacked > min(allowed, limits.MAX_UNPACKED_BYTES):
        raise Rejected(
            "archive_bomb",
            f"The archive of {uploaded_bytes:,} bytes unpacks to more than {unpacked // limits.MIB:,} MiB. "
            "Pack compressed pictures (JPEG, PNG, WebP) and nothing else.",
        )


def _as_windows_sees(name: str) -> str:
    """Case does not count, nor do dots and spaces at the end of a name or folder."""
    return "/".join(part.rstrip(". ") for part in name.casefold().split("/"))


def _refuse_twins(members: list[Member]) -> None:
    """Names that are equal, or equal to most people's machines, would overwrite each other there."""
    seen: dict[str, str] = {}
    for member in members:
        twin = seen.setdefault(_as_windows_sees(member.name), member.name)
        if twin is not member.name:
            told = f"beside {shown(twin)}, which differs only in case, or in dots or spaces at an end"
            how = "twice" if twin == member.name else told
            raise Rejected(
                "duplicate_name",
                f"The archive holds {shown(member.name)} {how}. Rename or remove one of the two.",
            )
