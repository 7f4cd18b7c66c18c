#!/usr/bin/env python3
"""Talks to an FPGA board with Gristmill's engine: `python3 host.py --help`.

Python 3.9 or newer and pyserial; to answer files also numpy, and Pillow for pictures. What it loads is beside it:
image.json, image.bin, vectors.bin. How files are read and answers told is run.py's, which stands beside it too.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

# A Python older than 3.6 stops at the next line and shows it; up to 3.8 it is said by the line after.
NEEDED: str = "Gristmill's host.py needs Python 3.9 or newer. Try: python3 host.py"
if sys.version_info < (3, 9):
    sys.exit("error: " + NEEDED + " (this is Python " + sys.version.split()[0] + ")")

HERE = Path(__file__).resolve().parent
# A stray serial.py beside this file must not be imported in place of the real one.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

BAUD = 1_000_000
RUNS, WARM_UP, LONGEST_S = 1000, 10, 5.0
LONGEST_INTERVAL_S = 1_000_000
INTERRUPTED, PIPE_CLOSED = 130, 141  # as a shell says it of a program that ended by that signal
STATUSES = """\
Folders are looked through with all folders in them, except hidden ones. Exit status: 0 everything was done, 1 not
everything could be or a check failed (stderr says what), 2 wrong options, or the board could not be asked, 130 ended by
Ctrl-C, 141 nobody reads the answers any more."""


class UsageError(Exception):
    """What a person can put right: a sentence, then lines that help, if there are any."""

    status = 1

    def told(self) -> str:
        return "\n".join(plain(line) for line in map(str, self.args))


class UnreachableError(UsageError):
    """There was no board to ask, so that nobody takes it for one that failed."""

    status = 2


@functools.lru_cache(maxsize=None)
def part(name: str, folder: Path = HERE) -> dict[str, Any]:
    """What another file of the bundle defines, from its source: a cached .pyc is not what was signed."""
    module = type(sys)(name)
    sys.modules[name] = module  # where dataclasses look for it
    path = str(folder / name)
    module.__file__ = path
    exec(compile(content(folder, name), path, "exec", dont_inherit=True), vars(module))  # noqa: S102
    return vars(module)


def content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise UsageError(f"{plain(name)} is missing from {folder}; unpack the bundle again.") from None


# --- the board ----------------------------------------------------------------------------------------------


def model_in(folder: Path) -> Any:
    """The model that lies in a folder."""
    return part("board.py")["Image"](lambda name: content(folder, name), UsageError)


def connected(given: argparse.Namespace, image: Optional[Any]) -> tuple[Any, str]:
    """The board at a port, and the port's name. UnreachableError when nothing of ours answers there."""
    link, ports = part("link.py"), part("ports.py")
    port = ports["chosen"](given.port, UnreachableError)
    line = ports["opened"](port, BAUD, UnreachableError)
    try:
        client = link["Client"](line, patience=given.patience)
        return part("board.py")["Board"](client, UsageError), port
    except link["SilentError"]:
        lines = ["", image.programming()] if image else []
        raise UnreachableError(
            f"Nothing answers at {port}. Is the board programmed, and is this its port?", *lines
        ) from None
    except link["LinkError"] as error:
        raise UnreachableError(f"{port}: {error}") from None


def program(image: Any, given: argparse.Namespace) -> int:
    """Programs the bitstream with openFPGALoader; its exit status."""
    needs = image.needs
    if given.contained and not needs.get("contained"):
        raise UsageError("This bundle has no bitstream that holds the model: leave --contained out.")
    loader = shutil.which("openFPGALoader")
    if loader is None:
        raise UnreachableError(
            "openFPGALoader is not installed. On Debian and Raspberry Pi OS type:",
            "",
            "    sudo apt-get install -y openfpgaloader",
        )
    name = needs["contained"]["bitstream"] if given.contained else needs["bitstream"]
    done = subprocess.run([loader, "-b", needs["loader"], str(given.folder / name)], check=False)
    return 0 if done.returncode == 0 else 1


# --- what is done with it -----------------------------------------------------------------------------------


def identify(board: Any, port: str, as_json: bool) -> None:
    said = board.identity
    if as_json:
        print(json.dumps({"port": port, **vars(said)}), flush=True)
        return
    print(f"{plain(said.board)} at {port}: {said.lanes} lanes at {said.clock_hz / 1e6:g} MHz")
    print(
        f"circuit {said.digest}, protocol {said.protocol}; words of program {said.program_words}, of weights "
        f"{said.weight_words}, constants {said.constant_words}, tables {said.table_words}, activations "
        f"{said.activation_words}",
        flush=True,
    )


def selftest(board: Any, image: Any, as_json: bool) -> int:
    """Replays the vectors that came with the model; the last line is `PASS n/n`, or says how many failed."""
    if not image.vectors:
        raise UsageError("This bundle has no vectors to replay.")
    good, most = 0, 0
    for number, (source, wanted) in enumerate(image.vectors):
        found, cycles = board.infer(image, source)
        most = max(most, cycles)
        good += found == wanted
        if found != wanted and not as_json:
            print(f"vector {number}: {numbers(found)} in place of {numbers(wanted)}")
    passed = good == len(image.vectors)
    if as_json:
        print(json.dumps({"vectors": len(image.vectors), "equal": good, "cycles": most}), flush=True)
    else:
        print(f"{most} cycles a run at most: {most / board.identity.clock_hz * 1000:.3g} ms")
        print(f"{'PASS' if passed else 'FAIL'} {good}/{len(image.vectors)}", flush=True)
    return 0 if passed else 1


def benchmark(board: Any, image: Any, loaded: dict[str, Any], as_json: bool) -> None:
    """How long an answer takes, once warm: with the line (at most `RUNS`, or 5 seconds), and in the engine alone."""
    if not image.vectors:
        raise UsageError("This bundle has no vectors to measure with.")
    times, cycles, end = [], 0, time.perf_counter() + LONGEST_S
    for number in range(WARM_UP + RUNS):
        source = image.vectors[number % len(image.vectors)][0]
        start = time.perf_counter()
        cycles = board.infer(image, source)[1]
        times.append((time.perf_counter() - start) * 1000)
        if time.perf_counter() > end:
            break
    warm = sorted(times[min(WARM_UP, len(times) - 1) :])
    quantiles = {f"p{share}_ms": round(warm[len(warm) * share // 100], 3) for share in (50, 95, 99)}
    engine_ms = cycles / board.identity.clock_hz * 1000
    found = {"runs": len(warm), **quantiles, "engine_ms": round(engine_ms, 4), "cycles": cycles}
    if as_json:
        if loaded:
            found.update(loaded=loaded["loaded"], load_seconds=loaded["seconds"])
        print(json.dumps(found), flush=True)
        return
    said = ", ".join(f"{name[:-3]} {value:.3g} ms" for name, value in quantiles.items())
    print(f"one answer over the line: {said} ({len(warm)} runs)")
    print(f"the engine's share:       {engine_ms:.3g} ms ({cycles} cycles)")
    if loaded:
        print(f"loading the model:        {loaded['seconds']:.2f} s ({loaded['loaded']} bytes)", flush=True)


def answer(board: Any, image: Any, path: Path, as_json: bool) -> None:
    """The output of one raw input: int8, as the net's first layer reads it."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(source) != image.source[1]:
        raise UsageError(f"{path}: has {len(source)} bytes; this model takes {image.source[1]}.")
    found, cycles = board.infer(image, source)
    values = numbers(found)
    if as_json:
        print(json.dumps({"input": str(path), "output": values, "cycles": cycles}), flush=True)
    else:
        print(f"{plain(str(path))}: {values}", flush=True)


def answers(board: Any, image: Any, given: argparse.Namespace) -> int:
    """Of raw inputs one by one; what can't be answered is named on stderr."""
    status = 0
    for path in given.inputs:
        try:
            answer(board, image, path, given.json)
        except UsageError as error:
            print(error.told(), file=sys.stderr, flush=True)
            status = 1
    return status


def classify(board: Any, image: Any, given: argparse.Namespace) -> int:
    """Of pictures and tables, as run.py reads and tells them."""
    if not image.said.get("ends"):
        raise UsageError("This model came without its ends: it takes raw inputs alone (--raw).")

    def beside(name: str) -> dict[str, Any]:
        return part(name, given.folder)

    try:
        return int(
            part("classify.py")["answered"](
                given, beside, image.said, lambda source: board.infer(image, source)[0]
            )
        )
    except beside("run.py")["UsageError"] as error:
        raise UsageError(*error.args) from None


def numbers(data: bytes) -> list[int]:
    """Bytes as int8."""
    return [(value ^ 128) - 128 for value in data]


# --- the command line ---------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def arguments() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        description="Runs this bundle's model on an FPGA board.", epilog=STATUSES
    )
    add = options.add_argument
    add("inputs", nargs="*", type=Path, metavar="INPUT", help="pictures, CSV tables, folders of them")
    add("--port", help="the serial port, such as /dev/ttyUSB0 (default: the only one there is)")
    add("--folder", type=Path, default=HERE, metavar="FOLDER", help="where the bundle is (default: here)")
    add("--program", action="store_true", help="first program the board, with openFPGALoader")
    add("--contained", action="store_true", help="with --program: the bitstream that holds the model already")
    add("--identify", action="store_true", help="what the board says it is")
    add("--load", action="store_true", help="load the model, and read back what can be read")
    add("--selftest", action="store_true", help="does the board compute what the portal computed?")
    add("--benchmark", action="store_true", help="how long an answer takes, with and without the line")
    add("--loaded", action="store_true", help="the model is in the board already: do not load it again")
    add("--raw", action="store_true", help="each INPUT is a file with one packed int8 input of the engine")
    form = options.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line (README.md has the keys)")
    form.add_argument("--csv", action="store_true", help="a table: a line with the names, a line an answer")
    add("--top", type=int, default=0, metavar="N", help="the N likeliest labels, not the first alone")
    add("--watch", type=Path, metavar="FOLDER", help="answer each file that appears there, once")
    add("--camera", nargs="?", const="0", metavar="SOURCE", help="answer a camera, film or address")
    add("--interval", type=float, default=1.0, metavar="S", help="seconds between its pictures (1)")
    add("--patience", type=float, default=2.0, metavar="S", help="seconds to wait for an answer (2)")
    return options


def asked() -> argparse.Namespace:
    """The options, with `runs`: whether the model is to run, and `needs_board`."""
    options = arguments()
    given = options.parse_args()
    if not given.patience > 0:
        raise UsageError("--patience must be more than 0")
    if not (given.top >= 0 and 0 <= given.interval <= LONGEST_INTERVAL_S):
        raise UsageError(f"--top takes 0 or more, --interval 0 to {LONGEST_INTERVAL_S} seconds.")
    given.runs = bool(
        given.inputs or given.load or given.selftest or given.benchmark or given.watch or given.camera
    )
    given.needs_board = given.runs or given.identify
    if not (given.needs_board or given.program):
        options.error(
            "name at least one INPUT, or one of --program, --identify, --load, --selftest, --benchmark, --watch, "
            "--camera"
        )
    return given


def main() -> int:
    given = asked()
    image = model_in(given.folder) if given.runs or given.program else None
    if image and given.program:
        status = program(image, given)
        if status or not given.needs_board:
            return status
    board, port = connected(given, image)
    try:
        if given.identify:
            identify(board, port, given.json)
        return work(board, image, given) if image and given.runs else 0
    except part("link.py")["LinkError"] as error:
        raise UsageError(f"{port}: {error}") from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"{port}: {error}. Was the board unplugged?") from None


def loading(loaded: dict[str, Any]) -> str:
    """What was loaded, for people."""
    return f"{loaded['loaded']} bytes loaded in {loaded['seconds']:.1f} s; {loaded['verified']} read back and equal"


def work(board: Any, image: Any, given: argparse.Namespace) -> int:
    board.check(image)
    loaded: dict[str, Any] = {}
    if not given.loaded and (given.load or not board.holds(image)):
        loaded = board.load(image)
        if given.load:
            print(json.dumps(loaded) if given.json else loading(loaded), flush=True)
    status = selftest(board, image, given.json) if given.selftest else 0
    if given.benchmark:
        benchmark(board, image, loaded, given.json)
    if given.raw:
        return max(status, answers(board, image, given))
    files = given.inputs or given.watch or given.camera
    return max(status, classify(board, image, given)) if files else status


def run() -> int:
    """`main`, its errors as sentences on stderr and exit statuses."""
    try:
        status = main()
        sys.stdout.flush()  # at Python's own end it would be too late to hear that nobody reads
    except UsageError as error:
        print(f"error: {error.told()}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Or Python complains once more, at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return status


if __name__ == "__main__":
    sys.exit(run())
