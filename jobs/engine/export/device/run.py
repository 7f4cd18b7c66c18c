#!/usr/bin/env python3
"""Runs the model of this folder on pictures, tables or sounds: `python3 run.py --help`.

Python 3.9 or newer, numpy and a LiteRT runtime (ai-edge-litert or tflite-runtime); Pillow for pictures only. Gristmill
ships this program in every bundle; what it knows about the model stands in manifest.json. The files beside it are read
when they are needed: a first answer does not wait for what it does not use.
"""

# ruff: noqa: B905, E402 - zip(strict=True) came with Python 3.10; the path is cleaned before it is imported by
import os
import sys

# A stray json.py or numpy.py beside this file must not be imported in place of the real one; Python has loaded os.
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(__file__ + "/..")]

import argparse
import functools
import json
import math
import signal
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

# A Python older than 3.6 stops at the next line and shows it; up to 3.8 it is said by the line after.
NEEDED: str = "Gristmill's run.py needs Python 3.9 or newer. Try: python3 run.py"
if sys.version_info < (3, 9):
    sys.exit("error: " + NEEDED + " (this is Python " + sys.version.split()[0] + ")")

HERE = Path(__file__).resolve().parent
FORMAT = 1
MOST_THREADS, LONGEST_S = 256, 1_000_000
ENDINGS = {
    "image": (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"),
    "table": (".csv", ".tsv", ".txt"),
    "sound": (".wav", ".wave"),
}
CAME: list[int] = []  # interrupts: a library at work in C may lose the exception, or make another of it
INTERRUPTED, PIPE_CLOSED = 130, 141  # as a shell says it of a program that ended by that signal
STATUSES = """\
Folders are looked through with all folders in them, except hidden ones. Exit status: 0 everything was answered, 1 not
everything could be or a check failed (stderr says what), 2 wrong options or --verify could not check, 130 ended by
Ctrl-C, 141 nobody reads the answers any more."""


class UsageError(Exception):
    """What a person can put right: a sentence, then lines that help, if there are any."""

    status = 1

    def told(self) -> str:
        return "\n".join(plain(line) for line in map(str, self.args))


class UncheckedError(UsageError):
    """A check that could not be made, so that nobody takes it for one that failed."""

    status = 2


@functools.lru_cache(maxsize=None)
def part(name: str) -> dict[str, Any]:
    """What another file of this bundle defines, from its source: a cached .pyc is not what was signed."""
    found: dict[str, Any] = {"__name__": name, "__file__": str(HERE / name)}
    exec(compile(read(name), found["__file__"], "exec", dont_inherit=True), found)  # noqa: S102
    return found


def inputs(path: Path, manifest: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """What a file holds, as (name, model input), of sounds with seconds. UsageError for what cannot be read."""
    spec = manifest["input"]
    numpy(manifest)
    try:
        if spec["kind"] == "image":
            yield str(path), part("inputs.py")["picture"](path, spec)
        else:
            source, reading = ("sounds.py", "windows") if spec["kind"] == "sound" else ("inputs.py", "rows")
            yield from part(source)[reading](path, spec)
    except ImportError as error:
        raise lacking("Pictures need Pillow", error, manifest) from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        other = part("trouble.py")["foreign"](path, spec) if isinstance(error, ValueError) else ""
        raise UsageError(f"{path}: {other or first_line(error)}") from None


def lacking(what: str, error: ImportError, manifest: dict[str, Any]) -> UsageError:
    """Which library is missing or does not load, and what to type on this very machine."""
    return UsageError(*part("trouble.py")["lacking"](what, error, manifest))


def numpy(manifest: dict[str, Any]) -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise lacking("numpy is missing", error, manifest) from None
    return np


def interpreter_class(manifest: dict[str, Any], name: str) -> Any:
    """What runs the file `name`: LiteRT's interpreter, under its new name or its old one; of ONNX one that is alike."""
    numpy(manifest)
    if name.endswith(".onnx"):
        try:
            return part("onnx_model.py")["interpreter_class"]()
        except ImportError as error:
            raise lacking("ONNX Runtime is not installed", error, manifest) from None
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as first:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as second:
            neither = getattr(second, "name", "") in ("tflite_runtime", "tflite_runtime.interpreter")
            raise lacking("No LiteRT runtime is installed", first if neither else second, manifest) from None
    return Interpreter


def sha256(content: bytes) -> str:
    """In hex. Python's own knows it too, and loads no OpenSSL for it."""
    own = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    try:
        return str(__import__(own).sha256(content).hexdigest())
    except ImportError:
        return str(__import__("hashlib").sha256(content).hexdigest())


class Model:
    """One model file, ready to run."""

    def __init__(self, manifest: dict[str, Any], variant: str, threads: int) -> None:
        name = manifest["variants"][variant]["file"]
        content = read(name)
        if sha256(content) != manifest["files"][name]["sha256"]:
            raise UsageError(
                f"{name} is damaged (its hash is not the manifest's); download the bundle again."
            )
        try:
            self.interpreter = interpreter_class(manifest, name)(model_content=content, num_threads=threads)
            self.interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            needed = manifest["runtime"]["minimum"]
            raise UsageError(
                f"This runtime cannot run {name} (made for {needed}): {first_line(error)}"
            ) from None
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, x: Any, name: str = "self-test") -> Any:
        """The output vector, float32, of one input of batch 1."""
        try:
            self.interpreter.set_tensor(self.input, x)
            self.interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise UsageError(f"{name}: this runtime fails to run the model: {first_line(error)}") from None
        return self.interpreter.get_tensor(self.output)[0]


def answer(name: str, output: Any, labels: list[str], top: int) -> dict[str, Any]:
    """One line of --json. `scores` are all in the order of labels, or the `top` best ones, best first."""
    values = [float(value) for value in output]
    if not all(map(math.isfinite, values)):
        raise UsageError(f"{name}: the model's answer is not a number")
    if not labels:
        return {"input": name, "value": values[0]}
    scores = {label: round(value, 6) for label, value in zip(labels, values)}
    best = values.index(max(values))
    if top:
        ranked = sorted(range(len(labels)), key=lambda place: -values[place])[:top]
        scores = {labels[place]: scores[labels[place]] for place in ranked}
    label = labels[best]
    return {"input": name, "label": label, "confidence": round(values[best], 6), "scores": scores}


def for_people(found: dict[str, Any], top: int) -> str:
    if "value" in found:
        return f"{plain(found['input'])}: {found['value']:.6g}"
    shown = found["scores"] if top else {found["label"]: found["confidence"]}
    said = ", ".join(f"{plain(label)} ({score:.1%})" for label, score in shown.items())
    return f"{plain(found['input'])}: {said}"


def show(given: argparse.Namespace, labels: list[str]) -> Callable[[dict[str, Any]], None]:
    """What prints an answer, as the options ask for it."""
    if given.json:
        return lambda found: print(json.dumps(found), flush=True)
    if given.csv:
        write: Callable[[dict[str, Any]], None] = part("checks.py")["csv_lines"](labels, given.top)
        return write
    return lambda found: print(for_people(found, given.top), flush=True)


class Asked:
    """Answers by `model`; what cannot be read is named on stderr, and makes the exit status 1."""

    def __init__(self, given: argparse.Namespace, manifest: dict[str, Any], model: Any) -> None:
        self.manifest, self.top, self.failed = manifest, given.top, 0
        self.model = model
        self.show = show(given, manifest["labels"])

    def paths(self, paths: list[Path]) -> None:
        endings = ENDINGS[self.manifest["input"]["kind"]]
        for path in paths:
            if not path.is_dir():
                self.file(path)
                continue
            found = False
            for inside in part("live.py")["files"](path, endings, self.trouble):
                found = True
                self.file(inside)
            if not found:
                self.fail(UsageError(f"{path}: no file in this folder ends in {', '.join(endings)}"))

    def trouble(self, error: OSError) -> None:
        self.fail(UsageError(f"{error.filename}: {first_line(error)}"))

    def file(self, path: Path) -> None:
        try:
            for found in inputs(path, self.manifest):
                self.one(*found)
        except UsageError as error:
            self.fail(error)

    def one(self, name: str, x: Any, start: Optional[float] = None) -> None:
        try:
            found = answer(name, self.model(x, name), self.manifest["labels"], self.top)
            self.show(found if start is None else {"input": name, "start_s": start, **found})
        except UsageError as error:
            if not CAME:
                self.fail(error)
        if CAME:
            raise KeyboardInterrupt

    def fail(self, error: UsageError) -> None:
        print(error.told(), file=sys.stderr, flush=True)
        self.failed = 1


def watch(folder: Path, asked: Asked) -> int:
    """Answers each file that appears in `folder` once it is complete, until Ctrl-C."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")

    def say(sentence: str) -> None:
        print(plain(sentence), file=sys.stderr, flush=True)

    endings = ENDINGS[asked.manifest["input"]["kind"]]
    part("live.py")["watch"](folder, HERE, endings, asked.file, say)
    return 0


def camera(source: str, interval: float, asked: Asked) -> int:
    """Answers a picture of the camera every `interval` seconds, until Ctrl-C or the end of a film."""
    spec, reading = asked.manifest["input"], part("inputs.py")
    if spec["kind"] != "image":
        raise UsageError(f"--camera: this model takes {part('trouble.py')['TAKES'][spec['kind']]}.")
    try:
        for name, image in part("live.py")["camera"](source, interval, (spec["width"], spec["height"])):
            asked.one(name, reading["pixels"](image, spec))
    except ImportError as error:
        if getattr(error, "name", "") == "PIL":
            raise lacking("Pictures need Pillow", error, asked.manifest) from None
        broken = getattr(error, "broken", {})
        raise UsageError(*part("trouble.py")["no_camera_library"](source, broken)) from None
    except BrokenPipeError:
        raise
    except (OSError, RuntimeError) as error:
        raise UsageError(f"camera {source}: {first_line(error)}") from None
    return asked.failed


def verify(key: Optional[Path], bundles: list[Path], as_json: bool) -> int:
    """Checks bundles (this folder, when none is named) by verify.py beside this file; its exit status."""
    if key is None:
        raise UncheckedError(
            "--verify needs --key PEM, the portal's public key (GET /api/v1/signing-key), not one from here."
        )
    return int(part("verify.py")["report"](bundles, HERE, key, as_json, plain))


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
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
    wide = functools.partial(argparse.HelpFormatter, width=78)  # asking the terminal takes a module more
    options = argparse.ArgumentParser(epilog=STATUSES, formatter_class=wide)
    add = options.add_argument
    add("inputs", nargs="*", type=Path, metavar="INPUT", help="pictures, CSV tables, WAVs, folders of them")
    form = options.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line (README.md has the keys)")
    form.add_argument("--csv", action="store_true", help="a table: a line with the names, a line an answer")
    add("--top", type=int, default=0, metavar="N", help="the N likeliest labels, not the first alone")
    add("--watch", type=Path, metavar="FOLDER", help="answer each file that appears there, once")
    add("--camera", nargs="?", const="0", metavar="SOURCE", help="answer a camera, film or address")
    add("--interval", type=float, default=1.0, metavar="S", help="seconds between its pictures (1)")
    add("--variant", help="which model file: int8, fp32 or onnx (default: the manifest's)")
    add("--threads", type=int, default=min(4, os.cpu_count() or 1), help="default: %(default)s")
    add("--selftest", action="store_true", help="does the model give the same answers here?")
    add("--benchmark", action="store_true", help="how long an answer takes, and how much memory (or --json)")
    add(
        "--verify", action="store_true", help="check signature and files, here or of those named; needs --key"
    )
    add("--key", type=Path, metavar="PEM", help="the portal's public key")
    return options


def main() -> int:
    options = arguments()
    given = options.parse_args()
    if given.verify:
        return verify(given.key, given.inputs, given.json)
    manifest = load_manifest()
    if not (1 <= given.threads <= MOST_THREADS and given.top >= 0 and 0 <= given.interval <= LONGEST_S):
        limits = f"--threads takes 1 to {MOST_THREADS}, --interval 0 to {LONGEST_S} seconds"
        raise UsageError(f"{limits}, --top 0 or more.")
    if given.variant and given.variant not in manifest["variants"]:
        reason = manifest["left_out"].get(given.variant, "it has " + ", ".join(manifest["variants"]))
        raise UsageError(f"This bundle has no {given.variant} model: {reason}")
    variant = given.variant or manifest["default_variant"]

    def load(name: str) -> Model:
        return Model(manifest, name, given.threads)

    if given.selftest:
        numpy(manifest)
        named = [given.variant] if given.variant else list(manifest["variants"])
        return int(part("checks.py")["selftest"](HERE, manifest, named, load))
    if given.benchmark:
        numpy(manifest)
        options_of_a_child = ["--variant", variant, "--threads", str(given.threads)]
        found = part("checks.py")["benchmark"](HERE, manifest, lambda: load(variant), options_of_a_child)
        told = {"variant": variant, "threads": given.threads, **found}
        print(json.dumps(told) if given.json else part("checks.py")["in_words"](told))
        return 0
    if not (given.inputs or given.watch or given.camera):
        options.error(
            "name at least one INPUT, or one of --selftest, --benchmark, --watch, --camera, --verify"
        )
    asked = Asked(given, manifest, load(variant))
    asked.paths(given.inputs)
    try:
        if given.watch:
            return watch(given.watch, asked)
        return camera(given.camera, given.interval, asked) if given.camera else asked.failed
    except KeyboardInterrupt:
        return 0  # how watching is meant to end


def interrupted(number: int, _frame: object) -> None:
    CAME.append(number)
    raise KeyboardInterrupt


def run() -> int:
    """`main`, its errors as sentences on stderr and exit statuses."""
    signal.signal(signal.SIGINT, interrupted)
    try:
        status = main()
        sys.stdout.flush()  # at Python's own end it would be too late to hear that nobody reads
    except BaseException as error:
        if CAME or isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):  # or Python complains once more, at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        if not isinstance(error, UsageError):
            raise
        print(f"error: {error.told()}", file=sys.stderr)
        return error.status
    return status


if __name__ == "__main__":
    sys.exit(run())
