"""The figures of one model's bundles."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bundles.taken import BOARD, PI, Taken
from tests.arm.processors import PROCESSORS
from tests.arm.systems import USUAL, System
from tests.e2e.portal import ROOT
from tests.export.conftest import check

ROUNDS = 7  # odd: the middle one is one that was measured
RUNS = 1000
BARE = Path(__file__).parent / "bare.py"
Said = Callable[[], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Beside:
    """Ours and theirs, each the median of `ROUNDS` rounds in turns, and the median of the rounds' ratios."""

    ours: float
    theirs: float
    ratio: float


@dataclass(frozen=True)
class Measured:
    """`float_worth` is the Keras model's accuracy. Bytes, seconds, and milliseconds for `latency`."""

    taken: Taken
    conversion_s: float
    latency: Beside
    first_here: Beside
    first_emulated: Beside

    @property
    def float_worth(self) -> float:
        return float(self.taken.model["metrics"]["test"]["accuracy"])

    @property
    def int8(self) -> dict[str, Any]:
        found: dict[str, Any] = self.taken.manifest["variants"]["int8"]
        return found

    @property
    def fp32(self) -> dict[str, Any]:
        found: dict[str, Any] = self.taken.manifest["variants"]["fp32"]
        return found

    def of_board(self, name: str) -> Any:
        """A metric of the microcontroller's bundle."""
        return self.taken.bundles[BOARD]["metrics"][name]

    def download(self, target: str) -> int:
        return int(self.taken.bundles[target]["bytes"])


def measure(taken: Taken) -> Measured:
    """Everything that takes measuring. Nothing else should run meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        return Measured(
            taken,
            conversion_s(taken, Path(name)),
            latency(taken),
            first_here(taken),
            first_emulated(taken, USUAL.ready(), Path(name) / "bytecode"),
        )


def conversion_s(taken: Taken, home: Path) -> float:
    """Of the bundle for the Pi, on this machine."""
    options = ["--label-column", taken.data.more["label_column"]] if taken.data.more else []
    check(home, taken.data.task, taken.data.file, taken.upload.read_bytes(), *options)
    return float(_ours("benchmarks.bundles.conversion", str(home), str(taken.keras), PI))


def latency(taken: Taken) -> Beside:
    """An answer, once warm, on one thread: what `run.py --benchmark` says beside LiteRT's own benchmark."""
    model = str(taken.home / taken.manifest["variants"]["int8"]["file"])
    asked = ["--benchmark", "--json", "--variant", "int8", "--threads", "1"]

    def ours() -> float:
        done = _run([sys.executable, "-I", str(taken.home / "run.py"), *asked])
        return float(json.loads(done.stdout)["p50_ms"])

    def theirs() -> float:
        return float(json.loads(_ours("benchmarks.bundles.litert", model, str(RUNS)))["median_ms"])

    return _beside(ours, theirs)


def first_here(taken: Taken) -> Beside:
    """Seconds from starting `run.py` to its end with one answer, beside the bare script; on this machine."""
    python = [sys.executable, "-I"]
    question, model = str(taken.question), str(taken.home / _default(taken))
    return _beside(
        lambda: _seconds(lambda: _run([*python, str(taken.home / "run.py"), "--json", question])),
        lambda: _seconds(lambda: _run([*python, str(BARE), model, question])),
    )


def first_emulated(taken: Taken, system: System, bytecode: Path) -> Beside:
    """The same on an emulated Raspberry Pi 4. Python's modules are compiled there as pip and Debian do it on a Pi: the
    first run of each fills `bytecode`.
    """
    bytecode.mkdir()
    shown = {"/run/BUNDLE": taken.home, "/run/ASKED": taken.asked, "/run/bare.py": BARE}
    question = f"/run/ASKED/{taken.question.name}"

    def run(*argv: str) -> Said:
        python = ["/usr/bin/python3", "-X", "pycache_prefix=/run/BYTECODE"]
        return lambda: system.run(
            [*python, *argv], processor=PROCESSORS[PI], shown=shown, kept={"/run/BYTECODE": bytecode}
        )

    ours = run("/run/BUNDLE/run.py", "--json", question)
    theirs = run("/run/bare.py", f"/run/BUNDLE/{_default(taken)}", question)
    _same_answer(taken, ours(), theirs())
    return _beside(lambda: _seconds(ours), lambda: _seconds(theirs))


def _same_answer(taken: Taken, ours: Any, theirs: Any) -> None:
    assert ours.returncode == theirs.returncode == 0, ours.stderr + theirs.stderr
    label = taken.manifest["labels"][int(theirs.stdout.split()[0])]
    assert json.loads(ours.stdout)["label"] == label, (ours.stdout, theirs.stdout)


def _default(taken: Taken) -> str:
    return str(taken.manifest["variants"][taken.manifest["default_variant"]]["file"])


def _beside(ours: Callable[[], float], theirs: Callable[[], float]) -> Beside:
    """In turns, so that what slows the machine for a while slows both; one round before does not count."""
    pairs = [(ours(), theirs()) for _round in range(ROUNDS + 1)][1:]
    return Beside(
        statistics.median(mine for mine, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(mine / other for mine, other in pairs),
    )


def _seconds(run: Said) -> float:
    began = time.perf_counter()
    done = run()
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return took


def _run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def _ours(module: str, *argv: str) -> str:
    """The last line that a module of this folder prints."""
    return _run([sys.executable, "-m", module, *argv]).stdout.strip().splitlines()[-1]
