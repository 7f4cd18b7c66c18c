#!/usr/bin/env python3
"""Runs the model of this folder on pictures or tables: `python3 run.py --help`.

Python 3.9 or newer, numpy and a LiteRT runtime (ai-edge-litert or tflite-runtime); Pillow for pictures only.
Gristmill ships this one file in every bundle; everything it knows about the model stands in manifest.json.
"""

# ruff: noqa: B905 - zip(strict=True) came with Python 3.10
from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import platform
import runpy
import sys
import time
from pathlib import Path
from typing import Any, Iterator

HERE = Path(__file__).resolve().parent
# A stray numpy.py beside this file must not be imported in place of the real one.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

FORMAT = 1
ENDINGS = {
    "image": (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"),
    "table": (".csv", ".tsv", ".txt"),
}


class UsageError(Exception):
    """What a person can put right, in one line."""


# --- the model ----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def part(name: str) -> dict[str, Any]:
    """What another file of this bundle defines, from its source: a cached .pyc is not what was signed."""
    read(name)
    return runpy.run_path(str(HERE / name))


def inputs(path: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What `path` (a file, or a folder of them) holds, as (name, model input)."""
    numpy()
    spec = manifest["input"]
    reading = part("inputs.py")
    try:
        if path.is_dir():
            for inside in sorted(path.iterdir()):
                if inside.suffix.lower() in ENDINGS[spec["kind"]]:
                    yield from inputs(inside, manifest)
        elif not path.exists():
            raise UsageError(f"{path}: no such file")
        elif spec["kind"] == "image":
            yield str(path), reading["picture"](path, spec)
        else:
            yield from reading["rows"](path, spec)
    except ImportError:
        raise UsageError("Pictures need Pillow: python3 -m pip install pillow") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {first_line(error)}") from None


def numpy() -> Any:
    try:
        import numpy as np
    except ModuleNotFoundError:
        raise UsageError("numpy is missing: python3 -m pip install numpy") from None
    except ImportError as error:  # often a library of the system that numpy's wheel needs
        cause = first_line(error.__cause__ or error.__context__ or error)
        raise UsageError(f"numpy is installed, but cannot be loaded: {cause}") from None
    return np


def interpreter_class() -> Any:
    """LiteRT's interpreter, under its new name or its old one."""
    numpy()
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            old = platform.machine() in ("armv6l", "armv7l")
            package = '"tflite-runtime" "numpy<2"' if old else "ai-edge-litert"
            raise UsageError(f"No LiteRT runtime is installed: python3 -m pip install {package}") from None
    return Interpreter


class Model:
    """One model file, ready to run."""

    def __init__(self, manifest: dict[str, Any], variant: str, threads: int) -> None:
        name = manifest["variants"][variant]["file"]
        content = read(name)
        if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
            raise UsageError(
                f"{name} is damaged (its hash is not the manifest's); download the bundle again."
            )
        try:
            self.interpreter = interpreter_class()(model_content=content, num_threads=threads)
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            needed = manifest["runtime"]["minimum"]
            raise UsageError(
                f"This LiteRT runtime cannot run {name} (made for {needed}): {first_line(error)}"
            ) from None
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, x: Any) -> Any:
        """The output vector, float32, of one input of batch 1."""
        self.interpreter.set_tensor(self.input, x)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)[0]


def answer(name: str, output: Any, labels: list[str] | None) -> dict[str, Any]:
    if not numpy().isfinite(output).all():
        raise UsageError(f"{name}: the model's answer is not a number")
    if not labels:
        return {"input": name, "value": float(output[0])}
    best = int(output.argmax())
    scores = {label: round(float(score), 6) for label, score in zip(labels, output)}
    return {"input": name, "label": labels[best], "confidence": scores[labels[best]], "scores": scores}


def show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found), flush=True)
    elif "value" in found:
        print(f"{plain(found['input'])}: {found['value']:.6g}", flush=True)
    else:
        print(f"{plain(found['input'])}: {plain(found['label'])} ({found['confidence']:.1%})", flush=True)


def predict(paths: list[Path], manifest: dict[str, Any], model: Model, as_json: bool) -> int:
    """Every input's answer; what cannot be read is named on stderr and makes the exit status 1."""
    failed = 0
    for path in paths:
        try:
            for name, x in inputs(path, manifest):
                show(answer(name, model(x), manifest["labels"]), as_json)
        except UsageError as error:
            print(plain(str(error)), file=sys.stderr)
            failed = 1
    return failed


def watch(folder: Path, manifest: dict[str, Any], model: Model, as_json: bool) -> int:
    """Answers each file that appears in `folder` once it has stopped growing; ends with Ctrl-C."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    endings = ENDINGS[manifest["input"]["kind"]]

    def look() -> dict[Path, tuple[int, int]]:
        seen = {}
        for entry in os.scandir(folder):
            if entry.name.lower().endswith(endings) and entry.is_file():
                seen[Path(entry.path)] = (entry.stat().st_size, entry.stat().st_mtime_ns)
        return seen

    before = done = look()
    print(f"Watching {plain(str(folder))}; Ctrl-C ends.", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.5)
        try:
            now = look()
        except FileNotFoundError:
            continue  # a file went between the listing and the look at it
        ready = [path for path, state in now.items() if before.get(path) == state and done.get(path) != state]
        predict(sorted(ready), manifest, model, as_json)
        done.update({path: now[path] for path in ready})
        before = now


# --- checks -------------------------------------------------------------------------------------------------


def selftest(manifest: dict[str, Any], variants: list[str], threads: int) -> int:
    """Runs the vectors that came with the model; the last line is `PASS n/n`, or says how many failed."""
    np = numpy()
    with np.load(HERE / "selftest.npz", allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    good = np.ones(len(data["inputs"]), dtype=bool)
    for variant in variants:
        model, limit = Model(manifest, variant, threads), manifest["selftest"]["tolerance"][variant]
        for number, (x, wanted) in enumerate(zip(data["inputs"], data[variant])):
            wrong = differs(model(x[None].astype(np.float32)), wanted, limit)
            if wrong:
                good[number] = False
                print(f"{variant}, vector {number}: {wrong}")
    print(f"{'PASS' if good.all() else 'FAIL'} {int(good.sum())}/{len(good)}")
    return 0 if good.all() else 1


def differs(got: Any, wanted: Any, limit: float) -> str:
    """What is wrong with an output, or nothing: it may be off by `limit`, a clear winner must win again."""
    worst = float(abs(got - wanted).max())
    if not worst <= limit:  # also when it is NaN
        return f"off by {worst:.3g}, allowed are {limit:.3g}"
    ranked = sorted(wanted, reverse=True)
    if len(ranked) > 1 and ranked[0] - ranked[1] > limit and got.argmax() != wanted.argmax():
        return f"class {int(got.argmax())} in place of {int(wanted.argmax())}"
    return ""


def benchmark(manifest: dict[str, Any], variant: str, threads: int) -> int:
    """Prints the latency of one input, batch 1, as one JSON line; at most 200 runs or 5 seconds."""
    np = numpy()
    start = time.perf_counter()
    model = Model(manifest, variant, threads)
    loaded = time.perf_counter() - start
    with np.load(HERE / "selftest.npz", allow_pickle=False) as stored:
        vectors = stored["inputs"].astype(np.float32)
    times: list[float] = []
    end = time.perf_counter() + 5
    for number in range(210):
        x = vectors[number % len(vectors)][None]
        start = time.perf_counter()
        model(x)
        times.append((time.perf_counter() - start) * 1000)
        if time.perf_counter() > end:
            break
    times = times[min(10, len(times) - 1) :]  # the first ones warm the caches
    p50, p95 = (round(float(value), 4) for value in np.percentile(times, [50, 95]))
    found = {"variant": variant, "threads": threads, "runs": len(times), "p50_ms": p50, "p95_ms": p95}
    print(json.dumps({**found, "load_ms": round(loaded * 1000, 2), "machine": platform.machine()}))
    return 0


def verify(key: Path | None) -> int:
    """Checks the signature over manifest.json and every file against it, by verify.py beside this file."""
    if key is None:
        raise UsageError(
            "--verify needs --key PEM, the portal's public key (GET /api/v1/signing-key), not one from here."
        )
    genuine, sentence = part("verify.py")["verify"](HERE, key)
    if not genuine:
        raise UsageError(sentence)
    print(sentence)
    return 0


# --- the command line ---------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["unknown"])[0]


def read(name: str) -> bytes:
    try:
        return (HERE / name).read_bytes()
    except OSError:
        raise UsageError(f"{plain(name)} is missing from this folder; unpack the bundle again.") from None


def load_manifest() -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(read("manifest.json"))
    except ValueError:
        raise UsageError("manifest.json is damaged; unpack the bundle again.") from None
    if manifest.get("format") != FORMAT:
        raise UsageError(f"This run.py reads bundles of format {FORMAT}, not {manifest.get('format')}.")
    return manifest


def arguments() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description="Runs this bundle's model on pictures or tables.")
    options.add_argument(
        "inputs", nargs="*", type=Path, metavar="INPUT", help="pictures, CSV tables, folders of them"
    )
    options.add_argument("--json", action="store_true", help="one JSON line an input, or a row of a table")
    options.add_argument(
        "--variant", choices=("int8", "fp32"), help="which model file (default: the manifest's)"
    )
    options.add_argument(
        "--threads", type=int, default=min(4, os.cpu_count() or 1), help="default: %(default)s"
    )
    options.add_argument("--selftest", action="store_true", help="does the model give the same answers here?")
    options.add_argument("--benchmark", action="store_true", help="how long one input takes")
    options.add_argument("--watch", type=Path, metavar="FOLDER", help="answer each file that appears there")
    options.add_argument(
        "--verify", action="store_true", help="check the signature and every file; needs --key"
    )
    options.add_argument("--key", type=Path, metavar="PEM", help="the portal's public key")
    return options


def main() -> int:
    options = arguments()
    given = options.parse_args()
    if given.verify:
        return verify(given.key)
    manifest = load_manifest()
    if given.threads < 1:
        raise UsageError("--threads must be at least 1")
    if given.variant and given.variant not in manifest["variants"]:
        raise UsageError(f"This bundle has no {given.variant} model: {manifest['left_out'][given.variant]}")
    variant = given.variant or manifest["default_variant"]
    if given.selftest:
        return selftest(
            manifest, [given.variant] if given.variant else list(manifest["variants"]), given.threads
        )
    if given.benchmark:
        return benchmark(manifest, variant, given.threads)
    if given.watch:
        return watch(given.watch, manifest, Model(manifest, variant, given.threads), given.json)
    if not given.inputs:
        options.error("name at least one INPUT, or one of --selftest, --benchmark, --watch, --verify")
    return predict(given.inputs, manifest, Model(manifest, variant, given.threads), given.json)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        sys.exit(f"error: {plain(str(error))}")
    except KeyboardInterrupt:
        sys.exit(0)
    except BrokenPipeError:
        sys.exit(1)
