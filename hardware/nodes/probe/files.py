"""Small files of the kernel's, which may be absent, or closed to us."""

from pathlib import Path


def text(path: Path) -> str:
    """What is in the file, stripped; empty when it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The whole number in the file; None when there is none."""
    found = text(path)
    return int(found) if found.removeprefix("-").isdigit() else None
