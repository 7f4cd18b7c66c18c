"""The self-test, the benchmark, and answers as CSV: what a first answer does without.

Python 3.9 or newer, numpy; Pillow for the benchmark of a model that takes pictures.
"""

# ruff: noqa: B905 - zip(strict=True) came with Python 3.10
from __future__ import annotations

import csv
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RUNS, WARM_UP, LONGEST_S = 1000, 10, 5.0
STARTS = 3


# --- does it compute as the portal did? ---------------------------------------------------------------------


def selftest(folder: Path, manifest: dict[str, Any], variants: list[str], load: Callable[[str], Any]) -> int:
    """Runs the vectors that came with the model; the last line is `PASS n/n`, or says how many failed."""
    data = vectors(folder)
    good: Any = np.ones(len(data["inputs"]), dtype=bool)
    for variant in variants:
        model, limit = load(variant), manifest["selftest"]["tolerance"][variant]
        for number, (x, wanted) in enumerate(zip(data["inputs"], data[variant])):
            wrong = differs(model(x[None].astype(np.float32)), wanted, limit)
            if wrong:
                good[number] = False
                print(f"{variant}, vector {number}: {wrong}")
    print(f"{'PASS' if good.all() else 'FAIL'} {int(good.sum())}/{len(good)}")
    return 0 if good.all() else 1


def vectors(folder: Path) -> dict[str, Any]:
    with np.load(folder / "selftest.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def differs(got: Any, wanted: Any, limit: float) -> str:
    """What is wrong with an output, or nothing: it may be off by `limit`, a clear winner must win again."""
    worst = float(abs(got - wanted).max())
    if not worst <= limit:  # also when it is NaN
        return f"off by {worst:.3g}, allowed are {limit:.3g}"
    ranked = sorted(wanted, reverse=True)
    if len(ranked) > 1 and ranked[0] - ranked[1] > limit and got.argmax() != wanted.argmax():
        return f"class {int(got.argmax())} in place of {int(wanted.argmax())}"
    return ""


# --- how fast is it here? -----------------------------------------------------------------------------------


def benchmark(
    folder: Path, manifest: dict[str, Any], load: Callable[[], Any], options: list[str]
) -> dict[str, Any]:
    """Milliseconds and bytes of one input of batch 1: warm (at most `RUNS`, or 5 seconds), and from a new process on.

    - `p50_ms`, `p95_ms`, `p99_ms`: an answer, once warm, without reading a file; `first_ms`: the first after loading
    - `load_ms`: LiteRT imported, the model loaded
    - `cold_start_ms`: from the start of a new `run.py` to its answer about a file, the median of `STARTS`. The system
      has Python's files in memory by then: the first start after switching on also waits for the disk
    - `peak_ram_bytes`: the most that this process took; None where the system doesn't tell
    """
    start = time.perf_counter()
    model = load()
    loaded = time.perf_counter() - start
    inputs = vectors(folder)["inputs"]
    first, times = latencies(model, inputs.astype(np.float32))
    quantiles: Any = np.percentile(times, [50, 95, 99])
    p50, p95, p99 = (round(float(value), 4) for value in quantiles)
    cold = cold_starts(folder, manifest, inputs[0], options)
    return {
        "runs": len(times),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "first_ms": round(first, 4),
        "load_ms": round(loaded * 1000, 2),
        "cold_start_ms": round(float(np.median(cold)), 1) if cold else None,
        "peak_ram_bytes": peak_ram(),
        "machine": platform.machine(),
        "board": board(),
        "python": platform.python_version(),
    }


def latencies(model: Callable[[Any], Any], inputs: Any) -> tuple[float, list[float]]:
    """Milliseconds of the very first answer, and of those once it is warm."""
    times: list[float] = []
    end = time.perf_counter() + LONGEST_S
    for number in range(WARM_UP + RUNS):
        x = inputs[number % len(inputs)][None]
        start = time.perf_counter()
        model(x)
        times.append((time.perf_counter() - start) * 1000)
        if time.perf_counter() > end:
            break
    return times[0], times[min(WARM_UP, len(times) - 1) :]


def cold_starts(folder: Path, manifest: dict[str, Any], x: Any, options: list[str]) -> list[float]:
    """Milliseconds from starting a new process to its answer about a file made of `x`; none when one fails."""
    times = []
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name), manifest, x)
        for _ in range(STARTS):
            took = answered([sys.executable, str(folder / "run.py"), "--json", *options, str(path)])
            if took is None:
                return []
            times.append(took)
    return times


def answered(argv: list[str]) -> Any:
    """Milliseconds from starting a program to its first line; None when it says none, or can't be started at all."""
    start = time.perf_counter()
    try:
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            line = child.stdout.readline() if child.stdout else b""
            took = time.perf_counter() - start
    except OSError:
        return None
    return took * 1000 if line else None


def written(folder: Path, manifest: dict[str, Any], x: Any) -> Path:
    """A picture, a table of one row or a WAV that holds the input `x`."""
    spec = manifest["input"]
    if spec["kind"] == "sound":
        return written_sound(folder / "input.wav", spec["rate_hz"], x)
    if spec["kind"] == "image":
        from PIL import Image

        pixels = np.asarray(x).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels[..., 0] if spec["channels"] == 1 else pixels).save(folder / "input.png")
        return folder / "input.png"
    reader = spec["reader"]
    with (folder / "input.csv").open("w", newline="", encoding=reader["encoding"]) as stream:
        table = csv.writer(stream, delimiter=reader["delimiter"])
        table.writerow([column["name"] for column in spec["columns"]])
        table.writerow([cell(column, value, reader["decimal"]) for column, value in zip(spec["columns"], x)])
    return folder / "input.csv"


def written_sound(path: Path, rate: int, x: Any) -> Path:
    import wave

    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, rate, len(x), "NONE", ""))
        sound.writeframes((np.asarray(x) * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes())
    return path


def cell(column: dict[str, Any], value: float, decimal: str) -> str:
    if column["type"] == "category":
        return str(column["categories"][int(value)]) if value >= 0 else ""
    return "" if np.isnan(value) else f"{float(value):.9g}".replace(".", decimal)  # NaN: missing


def peak_ram() -> Any:
    """Bytes: by Linux's own note of this program (getrusage's is that of its parent too), else by getrusage."""
    try:
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def board() -> str:
    """A board's own name, where it has one."""
    try:
        return Path("/proc/device-tree/model").read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""


def in_words(found: dict[str, Any]) -> str:
    """The benchmark for people."""
    p50, p95, p99, first = (f"{found[name]:.3g} ms" for name in ("p50_ms", "p95_ms", "p99_ms", "first_ms"))
    where = f"{found['board'] or found['machine']}, {found['threads']} threads, Python {found['python']}"
    cold, ram = found["cold_start_ms"], found["peak_ram_bytes"]
    lines = [
        f"{found['variant']} on {where}",
        f"one answer, warm:    p50 {p50}, p95 {p95}, p99 {p99} ({found['runs']} runs; the first took {first})",
        f"loading the model:   {found['load_ms']:.0f} ms, LiteRT's import included",
    ]
    if cold:
        lines.append(f"cold start:          {cold:.0f} ms from starting run.py to its answer about a file")
    if ram:
        lines.append(f"memory, at its peak: {ram / 1e6:.0f} MB")
    return "\n".join(lines)


# --- answers as a table -------------------------------------------------------------------------------------


def csv_lines(labels: list[str], top: int) -> Callable[[dict[str, Any]], None]:
    """Prints a first line with the columns' names; the function prints one line an answer."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    more = range(2, min(top, len(labels)) + 1)
    if labels:
        table.writerow(
            [
                "input",
                "label",
                "confidence",
                *(f"{name}_{place}" for place in more for name in ("label", "confidence")),
            ]
        )
    else:
        table.writerow(["input", "value"])

    def line(found: dict[str, Any]) -> None:
        cells = [
            found["input"],
            *((found["value"],) if "value" in found else (found["label"], found["confidence"])),
        ]
        rest = list(found.get("scores", {}).items())[1:] if top else []
        table.writerow([clean(value) for value in [*cells, *(value for pair in rest for value in pair)]])
        sys.stdout.flush()

    return line


def clean(value: Any) -> Any:
    """A cell that cannot steer a terminal."""
    return (
        "".join(letter if letter.isprintable() else "?" for letter in value)
        if isinstance(value, str)
        else value
    )
