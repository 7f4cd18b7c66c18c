#!/usr/bin/env python3
"""Talks to an FPGA board with Gristmill's engine: `python3 host.py --help`.

Python 3.9 or newer and pyserial. What it loads is beside it: image.json, image.bin, vectors.bin.
"""

import argparse
import functools
import hashlib
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

FORMAT = 1
BAUD = 1_000_000
INTERRUPTED, PIPE_CLOSED = 130, 141  # as a shell says it of a program that ended by that signal
STATUSES = """\
Exit status: 0 everything was done, 1 not everything could be or a check failed (stderr says what), 2 wrong options, or
the board could not be asked, 130 ended by Ctrl-C, 141 nobody reads the answers any more."""
SLOWER = 4  # a run may take so many times the cycles that the compiler reckoned


class UsageError(Exception):
    """What a person can put right: a sentence, then lines that help, if there are any."""

    status = 1

    def told(self) -> str:
        return "\n".join(plain(line) for line in map(str, self.args))


class UnreachableError(UsageError):
    """There was no board to ask, so that nobody takes it for one that failed."""

    status = 2


@functools.lru_cache(maxsize=None)
def part(name: str) -> dict[str, Any]:
    """What another file of this bundle defines, from its source."""
    module = type(sys)(name)
    sys.modules[name] = module  # where dataclasses look for it
    exec(compile(read(name), str(HERE / name), "exec", dont_inherit=True), vars(module))  # noqa: S102
    return vars(module)


# --- what is loaded -----------------------------------------------------------------------------------------


class Image:
    """The model beside this file."""

    def __init__(self, folder: Path) -> None:
        try:
            said: dict[str, Any] = json.loads(content(folder, "image.json"))
        except ValueError:
            raise UsageError("image.json is damaged; unpack the bundle again.") from None
        if said.get("format") != FORMAT:
            raise UsageError(f"This host.py loads images of format {FORMAT}, not {said.get('format')}.")
        self.said = said
        self.needs = said["needs"]
        data, vectors = (self.checked(folder, name) for name in ("image.bin", "vectors.bin"))
        self.segments, at = [], 0
        for each in said["segments"]:
            self.segments.append((each["address"], data[at : at + each["length"]], each["readable"]))
            at += each["length"]
        self.source, self.result = (
            (said[end]["address"], said[end]["length"]) for end in ("input", "output")
        )
        taken = self.source[1]
        size = taken + len(self.used(bytes(self.result[1])))
        pairs = [vectors[at : at + size] for at in range(0, said["vectors"] * size, size)]
        self.vectors = [(pair[:taken], pair[taken:]) for pair in pairs]

    def used(self, output: bytes) -> bytes:
        """The bytes of an output that count: the engine's words may be longer than its points."""
        row, used = self.said["output"]["row"], self.said["output"]["used"]
        return b"".join(output[at : at + used] for at in range(0, len(output), row))

    def checked(self, folder: Path, name: str) -> bytes:
        found = content(folder, name)
        if hashlib.sha256(found).hexdigest() != self.said["sha256"][name]:
            raise UsageError(f"{name} is damaged (its hash is not image.json's); unpack the bundle again.")
        return found

    def programming(self) -> str:
        return f"    openFPGALoader -b {self.needs['loader']} {self.needs['bitstream']}"


def content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise UsageError(f"{plain(name)} is missing from {folder}; unpack the bundle again.") from None


def read(name: str) -> bytes:
    return content(HERE, name)


# --- the board ----------------------------------------------------------------------------------------------


class Board:
    """The engine at a port, and what it says it is."""

    def __init__(self, given: argparse.Namespace, image: Optional[Image]) -> None:
        link = part("link.py")
        self.errors = link["LinkError"]
        self.port = part("ports.py")["chosen"](given.port, UnreachableError)
        self.line = part("ports.py")["opened"](self.port, BAUD, UnreachableError)
        self.engine = link["Client"](self.line, patience=given.patience)
        try:
            self.identity = self.engine.identify()
        except link["SilentError"]:
            lines = ["", image.programming()] if image else []
            raise UnreachableError(
                f"Nothing answers at {self.port}. Is the board programmed, and is this its port?", *lines
            ) from None
        except self.errors as error:
            raise UnreachableError(f"{self.port}: {error}") from None

    def check(self, image: Image) -> None:
        """That the image is made for this circuit."""
        if self.identity.digest != image.needs["digest"]:
            raise UsageError(
                f"The board has another bitstream ({self.identity.board}, {self.identity.lanes} lanes, "
                f"{self.identity.digest[:8]}) than this model needs ({image.needs['board']}, "
                f"{image.needs['digest'][:8]}). Type:",
                "",
                image.programming(),
            )

    def load(self, image: Image) -> dict[str, Any]:
        """Writes the image, and reads back what can be read: bytes of both, seconds."""
        began, verified = time.monotonic(), 0
        for address, data, _ in image.segments:
            self.engine.write(address, data)
        for address, data, readable in image.segments:
            found = self.engine.read(address, len(data)) if readable else data
            verified += len(data) if readable else 0
            if found != data:
                wrong = next(at for at, pair in enumerate(zip(found, data)) if pair[0] != pair[1])  # noqa: B905
                raise UsageError(
                    f"What was written to address {address + wrong} reads back as {found[wrong]}, not {data[wrong]}: "
                    "the board's memory or its power supply is not right."
                )
        return {
            "loaded": sum(len(data) for _, data, _ in image.segments),
            "verified": verified,
            "seconds": round(time.monotonic() - began, 3),
        }

    def infer(self, image: Image, source: bytes) -> tuple[bytes, int]:
        limit = SLOWER * image.said["cycles"]
        seconds = limit / self.identity.clock_hz
        output, cycles = self.engine.infer(
            (image.source[0], source), image.result, limit=limit, seconds=seconds
        )
        return image.used(output), cycles


def program(image: Image) -> int:
    """Programs the bitstream with openFPGALoader; its exit status."""
    loader = shutil.which("openFPGALoader")
    if loader is None:
        raise UnreachableError(
            "openFPGALoader is not installed. On Debian and Raspberry Pi OS type:",
            "",
            "    sudo apt-get install -y openfpgaloader",
        )
    done = subprocess.run(
        [loader, "-b", image.needs["loader"], str(HERE / image.needs["bitstream"])], check=False
    )
    return 0 if done.returncode == 0 else 1


# --- what is done with it -----------------------------------------------------------------------------------


def identify(board: Board, as_json: bool) -> int:
    said = board.identity
    if as_json:
        print(json.dumps({"port": board.port, **vars(said)}), flush=True)
    else:
        print(f"{plain(said.board)} at {board.port}: {said.lanes} lanes at {said.clock_hz / 1e6:g} MHz")
        print(
            f"circuit {said.digest}, protocol {said.protocol}; words of program {said.program_words}, of weights "
            f"{said.weight_words}, constants {said.constant_words}, tables {said.table_words}, activations "
            f"{said.activation_words}",
            flush=True,
        )
    return 0


def selftest(board: Board, image: Image, as_json: bool) -> int:
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


def answer(board: Board, image: Image, path: Path, as_json: bool) -> None:
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
    add("inputs", nargs="*", type=Path, metavar="INPUT", help="files with one raw int8 input each")
    add("--port", help="the serial port, such as /dev/ttyUSB0 (default: the only one there is)")
    add("--folder", type=Path, default=HERE, metavar="FOLDER", help="where image.json is (default: here)")
    add("--program", action="store_true", help="first program the board, with openFPGALoader")
    add("--identify", action="store_true", help="what the board says it is")
    add("--load", action="store_true", help="load the model, and read back what can be read")
    add("--selftest", action="store_true", help="does the board compute what the portal computed?")
    add("--loaded", action="store_true", help="the model is in the board already: do not load it again")
    add("--json", action="store_true", help="one JSON object a line")
    add("--patience", type=float, default=2.0, metavar="S", help="seconds to wait for an answer (2)")
    return options


def main() -> int:
    options = arguments()
    given = options.parse_args()
    if not given.patience > 0:
        raise UsageError("--patience must be more than 0")
    if not (given.inputs or given.program or given.identify or given.load or given.selftest):
        options.error("name at least one INPUT, or one of --program, --identify, --load, --selftest")
    alone = not (given.inputs or given.program or given.load or given.selftest)
    image = None if alone else Image(given.folder)
    if image and given.program:
        status = program(image)
        if status or not (given.inputs or given.identify or given.load or given.selftest):
            return status
    board = Board(given, image)
    try:
        if given.identify:
            identify(board, given.json)
        return work(board, image, given) if image else 0
    except board.errors as error:
        raise UsageError(f"{board.port}: {error}") from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"{board.port}: {error}. Was the board unplugged?") from None


def work(board: Board, image: Image, given: argparse.Namespace) -> int:
    board.check(image)
    if not given.loaded and (given.load or given.selftest or given.inputs):
        said = board.load(image)
        words = f"{said['loaded']} bytes loaded in {said['seconds']:.1f} s; {said['verified']} read back and equal"
        if given.load:
            print(json.dumps(said) if given.json else words, flush=True)
    status = selftest(board, image, given.json) if given.selftest else 0
    for path in given.inputs:
        try:
            answer(board, image, path, given.json)
        except UsageError as error:
            print(error.told(), file=sys.stderr, flush=True)
            status = 1
    return status


def run() -> int:
    """`main`, its errors as sentences on stderr and exit statuses."""
    try:
        return main()
    except UsageError as error:
        print(f"error: {error.told()}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Or Python complains once more, at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(run())
