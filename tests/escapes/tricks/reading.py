"""Reading and writing what is not one's own."""

import ctypes
import os
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def read(asked: Found) -> Found:
    """Which of `paths` show the text `mark`, straight, through /proc, through a link, and by going up."""
    out = Path(asked["out"])
    found = []
    for number, path in enumerate(asked["paths"]):
        link = out / f"link-{number}"
        link.symlink_to(path)
        ways = [
            path,
            f"/proc/self/root{path}",
            f"/proc/1/root{path}",
            f"/.node/w{path}",
            f"/old{path}",
            str(link),
        ]
        ways += [f"/proc/{asked['pid']}/root{path}", f"/proc/{asked['pid']}/cwd/{path}", "/.." * 9 + path]
        found += [way for way in ways if asked["mark"] in _text(way)]
        link.unlink()
    return {"read": found}


def of_process(asked: Found) -> Found:
    """What /proc tells of the process `pid`: those of its files that can be read and say something."""
    names = (
        "environ",
        "mem",
        "maps",
        "fd",
        "root",
        "cwd",
        "exe",
        "cmdline",
        "stack",
        "auxv",
        "task",
        "map_files",
    )
    return {"readable": [name for name in names if _speaks(f"/proc/{asked['pid']}/{name}")]}


def environment(asked: Found) -> Found:
    """All that was handed to this process: variables, also of its parents, and descriptors."""
    texts = [str(dict(os.environ)), *(_text(f"/proc/{pid}/environ") for pid in ("self", 1, os.getppid()))]
    handles = {}
    for handle in range(3, 256):
        try:
            handles[handle] = str(Path(f"/proc/self/fd/{handle}").readlink())
        except OSError:
            continue
    return {"secret": [text for text in texts if asked["mark"] in text], "handles": handles}


def write(asked: Found) -> Found:
    """Which of `paths` can be changed; folders by a new file in them."""
    return {"written": [path for path in asked["paths"] if _written(Path(path))]}


def by_handle(asked: Found) -> Found:
    """A file opened by its number, which knows no mounts: inodes 2 and on, of the file system of /job/out."""
    libc = ctypes.CDLL(None, use_errno=True)
    mount = os.open(asked["out"], os.O_RDONLY)
    opened = []
    for inode in (2, 11, 12, 13):
        handle = (ctypes.c_byte * 24).from_buffer_copy(
            (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + inode.to_bytes(4, "little") + bytes(12)
        )
        if libc.open_by_handle_at(mount, handle, os.O_RDONLY) >= 0:
            opened.append(inode)
    return {"opened": opened}


def climb(asked: Found) -> Found:
    """The old way out of a chroot: a root below, and up from a folder held above it."""
    top = os.open("/", os.O_RDONLY)
    try:
        Path(asked["out"], "cell").mkdir()
        os.chroot(Path(asked["out"], "cell"))
    except OSError as error:
        return {"refused": error.errno, "read": False}
    os.fchdir(top)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    return {"read": asked["mark"] in _text(asked["path"])}


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(100_000).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _speaks(path: str) -> bool:
    try:
        if Path(path).is_dir():
            return any(Path(path).iterdir())
        with Path(path).open("rb") as file:
            if path.endswith("/mem"):
                return _reads_memory(file.fileno(), path)
            return bool(file.read(1))
    except OSError:
        return False


def _reads_memory(handle: int, path: str) -> bool:
    first = _text(path.removesuffix("mem") + "maps").partition("-")[0]
    return bool(first) and len(os.pread(handle, 16, int(first, 16))) > 0


def _written(path: Path) -> bool:
    try:
        if path.is_dir():
            (path / "intruder").write_text("x", encoding="ascii")
        else:
            with path.open("r+b") as file:
                file.write(b"")
    except OSError:
        return False
    return True
