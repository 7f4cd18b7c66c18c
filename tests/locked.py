"""Packages that tests use and that may not be installed beside the portal's own: unpacked into folders of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"


def cache() -> Path:
    """What is kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gristmill" / "boards"


def unpacked(lock: Path) -> Path:
    """The packages that a lock names, and no others, in a folder for PYTHONPATH: made once, and kept."""
    folder = cache() / f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix="making-") as name:
            made = Path(name) / "packages"
            argv = [
                _uv(),
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--python",
                sys.executable,
            ]
            subprocess.run([*argv, "--target", made, "-r", lock], check=True, timeout=300)
            try:
                made.rename(folder)
            except OSError:  # another process made it meanwhile
                if not folder.is_dir():
                    raise
    return folder


def _uv() -> str:
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
