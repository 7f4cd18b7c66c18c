"""What to tell a person whose machine lacks something, or whose file is of another kind: read only then.

Python 3.9 or newer, standard library alone. Each function answers with lines: a sentence first, then what to type.
"""

from __future__ import annotations

import importlib.util
import platform
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

VENV = Path("~/gristmill")  # as README.md has it
# The libraries of the system that wheels of numpy and LiteRT ask for, and Debian's packages that hold them.
LIBRARIES = {
    "libstdc++.so.6": "libstdc++6",
    "libgomp.so.1": "libgomp1",
    "libblas.so.3": "libblas3",
    "liblapack.so.3": "liblapack3",
    "libopenblas.so.0": "libopenblas0",
    "libatlas.so.3": "libatlas3-base",
}
NARROW = "armv7l"
GLIBC = {
    "aarch64": (2, 31),
    "x86_64": (2, 27),
    NARROW: (2, 34),
}  # the oldest that LiteRT's wheels for it run with
BITS_32 = {"aarch64": NARROW, "armv8l": NARROW, "x86_64": "i686"}
OTHER_NAMES = {"arm64": "aarch64", "amd64": "x86_64"}


# --- a library is missing -----------------------------------------------------------------------------------


def lacking(what: str, error: ImportError, manifest: dict[str, Any]) -> list[str]:
    """Why `error` came up, and what to type on this machine."""
    runtime, kind = manifest["runtime"], manifest["input"]["kind"]
    reason = unloadable(error)
    if reason:
        return reason
    hopeless = no_runtime(runtime)
    if hopeless:
        return [f"{what}. {hopeless}", f"This bundle was made for: {manifest['target']['title']}."]
    return [
        f"{what}. On this machine ({here()}) type:",
        "",
        *(f"    {line}" for line in commands(runtime, kind)),
    ]


def unloadable(error: Exception, name: str = "") -> list[str]:
    """For a library that is there and does not load: often one of the system's is missing. `name` is the library's,
    where it is known.
    """
    if isinstance(error, ModuleNotFoundError) and not name and error.name in (
        "numpy", "PIL", "onnxruntime", "ai_edge_litert", "tflite_runtime", "ai_edge_litert.interpreter"
    ):  # fmt: skip
        return []
    cause = error.__cause__ or error.__context__ or error
    text = next(iter(str(cause).strip().splitlines()), "unknown")
    name = name or (getattr(error, "name", "") or "").split(".")[0] or first_package(error)
    lines = [f"{name} is installed, but cannot be loaded: {text}"]
    packages = [package for library, package in LIBRARIES.items() if library in text]
    if packages and shutil.which("apt-get"):
        lines += ["", f"    sudo apt-get install -y {' '.join(packages)}"]
    elif (
        "numpy" in text and name != "numpy"
    ):  # built against NumPy 1, as tflite-runtime and Debian 12's picamera2 are
        lines += ["", f"    {python()} -m pip install {shlex.quote('numpy<2')}"]
    return lines


def first_package(error: BaseException) -> str:
    """The package in which an import failed, by the first file of one in the traceback."""
    step = error.__traceback__
    while step is not None:
        parts = Path(step.tb_frame.f_code.co_filename).parts
        for folder in ("site-packages", "dist-packages"):
            if folder in parts[:-1]:
                return parts[parts.index(folder) + 1]
        step = step.tb_next
    return "A library"


def no_runtime(runtime: dict[str, Any]) -> str:
    """Why nothing that could be installed would run the model here; empty when something would."""
    machine, version = processor(), sys.version_info[:2]
    shown = ".".join(map(str, version))
    if sys.platform.startswith("linux") and machine not in GLIBC:
        return (
            f"There is no LiteRT runtime for this processor ({machine}): it takes Linux on 64-bit ARM or x86-64, or on "
            "32-bit ARM of version 7 with NEON. Boards that do: Raspberry Pi Zero 2 W, 3, 4, 5."
        )
    if "musl" in (sysconfig.get_config_var("SOABI") or "") or "musl" in (
        sysconfig.get_config_var("HOST_GNU_TYPE") or ""
    ):
        return "There is no LiteRT runtime for musl (Alpine): it takes a Linux with glibc, such as Debian."
    if machine == NARROW and version != (3, 11):
        return (
            f"For 32-bit ARM there is a LiteRT runtime for Python 3.11 alone; this is {shown}. Raspberry Pi OS 12 "
            "(Bookworm) has 3.11. A 64-bit system takes Python 3.9 or newer: Pi 3, 4, 5 and Zero 2 W run one."
        )
    oldest = tuple(int(number) for number in runtime["python"].split(".")) if machine != NARROW else version
    if version < oldest:
        return f"It takes Python {runtime['python']} or newer; this is {shown}."
    library, glibc = platform.libc_ver()
    found = tuple(int(number) for number in glibc.split(".")[:2] if number.isdigit())
    if library == "glibc" and found < GLIBC[machine]:
        wanted = ".".join(map(str, GLIBC[machine]))
        return (
            f"Its wheels take glibc {wanted} or newer; this system ({system()}) has {glibc}: it is too old."
        )
    return ""


def processor() -> str:
    """What this Python is built for, by Linux's name: a 32-bit system may run on a 64-bit kernel."""
    machine = platform.machine().lower()
    machine = OTHER_NAMES.get(machine, machine)
    return machine if sys.maxsize > 2**32 else BITS_32.get(machine, machine)


def commands(runtime: dict[str, Any], kind: str) -> list[str]:
    """The lines that install everything: straight into a virtual environment, or with one made first where the system's
    Python takes no packages (PEP 668) or has no pip.
    """
    packages = shlex.join(wanted(runtime, kind))
    if in_environment() or not (managed() or without_pip() or processor() == NARROW):
        return [f"{python()} -m pip install {packages}"]
    inside = f"{VENV}/bin/python"
    lines = [] if (VENV.expanduser() / "bin" / "python").exists() else making()
    return [*lines, f"{inside} -m pip install {packages}", f"{inside} {shlex.join(sys.argv)}"]


def making() -> list[str]:
    """How the environment is made. PyPI has no NumPy and no Pillow for 32-bit ARM, Debian has."""
    narrow, apt = processor() == NARROW, shutil.which("apt-get")
    needed = [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]
    if narrow:
        needed = ["python3-venv", "python3-numpy", "python3-pil"]
    lines = [f"sudo apt-get install -y {' '.join(needed)}"] if needed and apt else []
    return [*lines, f"python3 -m venv {'--system-site-packages ' if narrow else ''}{VENV}"]


def wanted(runtime: dict[str, Any], kind: str) -> list[str]:
    """The packages from PyPI: the manifest's where it speaks of such a machine, else those for this one."""
    narrow = processor() == NARROW
    if narrow and not in_environment():
        return ["numpy<2", "tflite-runtime"]  # Pillow comes from the system
    named = list(runtime["packages"])
    if narrow != ("tflite-runtime" in named):
        named = ["numpy<2", "tflite-runtime"] if narrow else ["numpy", "ai-edge-litert"]
    return [*named, *(runtime["pictures"] if kind == "image" else [])]


def in_environment() -> bool:
    """Whether this Python is that of a virtual environment."""
    return sys.prefix != sys.base_prefix


def managed() -> bool:
    """Whether the system keeps pip away from its Python (PEP 668)."""
    return Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()


def without_pip() -> bool:
    return importlib.util.find_spec("pip") is None


def python() -> str:
    """How this interpreter is called in a command."""
    if not in_environment() and shutil.which("python3") == sys.executable:
        return "python3"
    return shlex.quote(sys.executable)


def here() -> str:
    """This machine in words: the board, the system, the processor, the Python."""
    try:
        board = [Path("/proc/device-tree/model").read_text("utf-8", "replace").strip("\0 \n")]
    except OSError:
        board = []
    return ", ".join([*board, system(), processor(), f"Python {platform.python_version()}"])


def system() -> str:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            lines = Path(path).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("PRETTY_NAME="):
                return line.split("=", 1)[1].strip("\"'")
    return f"{platform.system()} {platform.release()}"


def no_camera_library(source: str, broken: dict[str, Exception]) -> list[str]:
    """There is neither picamera2 nor OpenCV, or what there is does not load: `broken` is why, by library."""
    told = [line for name, error in broken.items() for line in unloadable(error, name)]
    if any(line.startswith(" ") for line in told):
        return told  # it says what to type
    lines = told or [f"--camera needs picamera2 or OpenCV, and neither is installed ({here()})."]
    if source.isdigit() and shutil.which("apt-get") and Path("/proc/device-tree/model").exists():
        return [
            *lines,
            "Type:",
            "",
            "    sudo apt-get install -y python3-picamera2     # for the Raspberry Pi's own camera",
            f"    python3 -m venv --system-site-packages {VENV}  # the environment has to see it",
            *_numpy_for_picamera2(),
            "",
            f"or, for a camera on USB: {python()} -m pip install opencv-python-headless",
        ]
    return [*lines, "Type:", "", f"    {python()} -m pip install opencv-python-headless"]


def _numpy_for_picamera2() -> list[str]:
    """Debian 12 (Python 3.11) built what picamera2 needs for NumPy 1, Debian 13 (Python 3.13) for NumPy 2."""
    if sys.version_info[:2] > (3, 11) or processor() == NARROW:  # 32-bit ARM has Debian's own NumPy anyway
        return []
    return [f"    {VENV}/bin/python -m pip install 'numpy<2'     # what it was built for"]


# --- a file is of another kind ------------------------------------------------------------------------------

SOUNDS = (".wav", ".wave", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus", ".aif", ".aiff", ".wma")
TAKES = {
    "image": "pictures (JPEG, PNG, BMP, GIF or WebP)",
    "table": "the rows of a table (CSV)",
    "sound": "sounds (WAV)",
}


def foreign(path: Path, spec: dict[str, Any]) -> str:
    """What a file that could not be read really is, and what the model takes (the manifest's input); empty when it
    can't be told.
    """
    kind = spec["kind"]
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError:
        return ""
    found = by_content(start) or ("a sound" if path.suffix.lower() in SOUNDS else "")
    if kind != "table" and not found and path.suffix.lower() in (".csv", ".tsv"):
        found = "a table"
    if kind == "sound" and "sound" in found:
        return "" if is_wav(start) or not start else not_wav(path, spec["rate_hz"])
    if not found or (kind == "image" and found == "a picture"):
        return ""
    return f"this is {found}; this model takes {TAKES[kind]}."


def is_wav(start: bytes) -> bool:
    return start[:4] in (b"RIFF", b"RF64", b"BW64") and start[8:12] == b"WAVE"


def not_wav(path: Path, rate: int) -> str:
    """How a sound in another form, such as MP3, becomes one that can be read."""
    new = path.with_name(path.stem + (".wav" if path.suffix.lower() != ".wav" else "-new.wav"))
    typed = shlex.join(["ffmpeg", "-i", str(path), "-ac", "1", "-ar", str(rate), str(new)])
    return f"this is not a WAV file. Convert it: {typed}"


def by_content(start: bytes) -> str:
    """What a file's first bytes say that it is."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "a picture"
    if (
        is_wav(start)
        or start[:4] in (b"fLaC", b"OggS", b"ID3\x03", b"ID3\x04", b"RIFX")
        or start[8:12] in (b"AIFF", b"AIFC")
    ):
        return "a sound"
    if start[:1] == b"\0" and start[4:8] == b"ftyp":
        kinds = {b"heic": "a HEIC picture (save it as JPEG)", b"avif": "an AVIF picture (save it as JPEG)"}
        return kinds.get(start[8:12], "a film or sound")
    if start[:4] == b"%PDF":
        return "a PDF document"
    if start[:4] == b"PK\x03\x04":
        return "a zip archive (unpack it first)"
    return "a picture" if start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")) else ""
