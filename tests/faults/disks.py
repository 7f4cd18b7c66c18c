"""Small disks, which can be filled."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2


@dataclass(frozen=True)
class Disk:
    """A file system of its own at `place`."""

    place: Path

    @property
    def free(self) -> int:
        found = os.statvfs(self.place)
        return found.f_bavail * found.f_frsize

    @contextlib.contextmanager
    def full(self, *, but_for: int = 0) -> Iterator[None]:
        """No room is left but for so many bytes, until the end."""
        ballast = self.place / "ballast"
        self._fill(ballast, but_for)
        try:
            yield
        finally:
            ballast.unlink()

    def _fill(self, ballast: Path, but_for: int) -> None:
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (room := self.free - but_for) > 0:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, min(room, MIB))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return


@contextlib.contextmanager
def disk(place: Path, *, mib: int) -> Iterator[Disk]:
    """A small one; needs root."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", str(place)], check=True)
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def can_mount() -> bool:
    """Whether this machine lets us: root, and no container that forbids it."""
    if os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).returncode == 0
