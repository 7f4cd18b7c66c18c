"""A board's operating system in a folder: Debian for another processor, run program by program under QEMU.

Nothing is registered with the kernel and nothing of the system is started: each program is QEMU's user-mode emulator
with that program as its argument, inside bubblewrap, where the system is `/`, read-only, and there is no network.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.arm.processors import Processor
from tests.locked import LOCKS, cache

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "python3",
    "libstdc++6",
    "libgomp1",
    "openssl",
)  # NumPy and LiteRT need the C++ and OpenMP libraries
MAKING_S = 900
KEPT_S = 7 * 24 * 3600


class CannotMakeError(Exception):
    """What the machine lacks for making a system, in a sentence."""


@dataclass(frozen=True)
class System:
    """One release of Debian, of which Raspberry Pi OS is made.

    `python` is the one it comes with, `platform` that of the wheels it takes.
    """

    suite: str
    python: str
    platform: str
    arch: str = "arm64"
    emulator: str = "qemu-aarch64-static"
    lock: str = "board.txt"
    packages: tuple[str, ...] = PACKAGES

    def __str__(self) -> str:
        return f"{self.suite}-{self.arch}"

    @property
    def folder(self) -> Path:
        """Where it is kept. Whatever it is made from stands in the name: when that changes, it is made anew."""
        made_from = (LOCKS / self.lock).read_bytes() + Path(__file__).read_bytes()
        return cache() / f"{self}-{hashlib.sha256(made_from).hexdigest()[:12]}"

    def ready(self) -> "System":
        """This system, made first if it is not there; CannotMakeError when it can't be."""
        if not self.folder.is_dir():
            self._make()
        return self

    def run(
        self,
        argv: Sequence[str],
        *,
        processor: Processor,
        shown: Mapping[str, Path] = MappingProxyType({}),
        kept: Mapping[str, Path] = MappingProxyType({}),
        timeout_s: float = 240,
    ) -> "subprocess.CompletedProcess[str]":
        """`argv`, emulated as user 1000. `shown`: places there, and what of this machine is seen in them; `kept`:
        the same of folders that may be written in.
        """
        with tempfile.TemporaryDirectory() as name:
            places = {**processor.describe(Path(name)), **shown}
            binds = [word for place, ours in places.items() for word in ("--ro-bind", str(ours), place)]
            binds += [word for place, ours in kept.items() for word in ("--bind", str(ours), place)]
            box = [
                "bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL",
                "--die-with-parent", "--new-session",
                "--clearenv", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8",
                "--ro-bind", str(self.folder), "/", "--proc", "/proc", "--dev", "/dev",
                "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/sys",
                "--ro-bind", _tool(self.emulator), "/run/emulator", *binds, "/run/emulator", "-cpu", processor.name,
            ]  # fmt: skip
            return subprocess.run([*box, *argv], capture_output=True, text=True, timeout=timeout_s)

    def _make(self) -> None:
        if os.getuid() != 0:
            raise CannotMakeError(
                f"Unpacking Debian takes root, once. Type: sudo make test-arm (it goes to {cache()})"
            )
        cache().mkdir(parents=True, exist_ok=True)
        for old in cache().iterdir():  # outdated, or left half-made; a younger one may be another checkout's
            if time.time() - old.stat().st_mtime > KEPT_S:
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=cache(), prefix="making-") as name:
            made = Path(name) / "root"
            self._debian(made)
            self._unpack(made)
            self._install(made)
            os.utime(made)
            made.rename(self.folder)

    def _debian(self, made: Path) -> None:
        """Debian's required packages unpacked, `packages` and what they need downloaded."""
        _must(
            [
                _tool("debootstrap"), "--foreign", f"--arch={self.arch}", "--variant=minbase", "--force-check-gpg",
                f"--keyring={KEYRING}", f"--include={','.join(self.packages)}", self.suite, str(made),
            ],
            f"Debian {self.suite} for {self.arch} could not be fetched: make test-arm needs Debian's archive.",
        )  # fmt: skip

    def _unpack(self, made: Path) -> None:
        """The rest by hand, as the second stage would have to run the other processor's dpkg."""
        if (made / "proc").is_symlink():  # in a container debootstrap leaves a link to the host's
            (made / "proc").unlink()
            (made / "proc").mkdir()
        archives = made / "var" / "cache" / "apt" / "archives"
        for package in sorted(archives.glob("*.deb")):
            packed = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True
            )
            subprocess.run(  # Debian's /lib is a link that a package's own /lib must not take the place of
                ["tar", "-x", "-C", str(made), "--keep-directory-symlink"], input=packed.stdout, check=True
            )
            package.unlink()
        for library in made.glob(
            "usr/lib/*/*/lib*.so.3"
        ):  # as Debian's alternatives would: blas/libblas.so.3
            (library.parents[1] / library.name).symlink_to(library.relative_to(library.parents[1]))

    def _install(self, made: Path) -> None:
        """What the bundle's README.md has a member install, in the locked versions."""
        packages = made / "usr" / "local" / "lib" / f"python{self.python}" / "dist-packages"
        uv = [_tool("uv", Path(sys.executable).parent), "pip", "install", "--python-platform"]
        pip = [sys.executable, "-m", "pip", "install", "--platform"]  # uv knows of no 32-bit ARM
        _must(
            [
                *(uv if self.arch == "arm64" else pip), self.platform, "--python-version", self.python,
                "--quiet", "--target", str(packages), "--only-binary", ":all:", "--no-deps", "--require-hashes",
                "--requirement", str(LOCKS / self.lock),
            ],
            f"What requirements/{self.lock} names could not be installed for Python {self.python} on {self.arch}.",
        )  # fmt: skip


def _tool(name: str, *places: Path) -> str:
    path = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"], "/usr/sbin"]))
    if path is None:
        raise CannotMakeError(f"{name} is not on this machine: .ci/system arm says what to install.")
    return path


def _must(argv: list[str], otherwise: str) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=MAKING_S)
    if done.returncode != 0:
        raise CannotMakeError(f"{otherwise}\n{done.stdout[-2000:]}")


# What the bundle's README.md names: "Python 3.9 or newer", "Raspberry Pi OS (Bookworm or newer)", and `tflite-runtime`,
# which is all there is for 32 bits; NumPy and Pillow are Debian's there, PyPI has none.
OLDEST = System("bullseye", "3.9", "aarch64-manylinux_2_31")
USUAL = System("bookworm", "3.11", "aarch64-manylinux_2_36")
NEWEST = System("trixie", "3.13", "aarch64-manylinux_2_40")
NARROW = System(
    "bookworm",
    "3.11",
    "manylinux_2_34_armv7l",
    arch="armhf",
    emulator="qemu-arm-static",
    lock="board-32bit.txt",
    packages=(*PACKAGES, "python3-numpy", "python3-pil"),
)
