"""The browser target: one page that holds the model and LiteRT.js, and runs without a network or a server."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engine.export import dataless
from jobs.engine.export.convert import ConversionError
from jobs.engine.export.gradients import gradient_file
from jobs.engine.export.kinds import Added, Build
from jobs.engine.export.manifest import about_input, about_variant
from jobs.engine.export.variants import Exported, RefusedError

# What `python -m portal.kit.frontend` makes of npm's packages and our sources; sandboxes see it read-only.
FRONT_END = Path(__file__).resolve().parents[3] / "static" / "build"
PAGE_FILE, GRADIENTS_FILE, LICENSE_FILE = "index.html", "gradients.tflite", "LICENSE-LiteRT.txt"
STEPS = 32  # of the integral
BLUR = 1 / 6  # of the shorter side: its radius, as for the maps of the report
NO_SOUNDS = (
    "The page for browsers takes pictures and tables, no sounds yet. Choose Linux: its run.py takes WAV files on any "
    "computer."
)
_MARK = re.compile(r"@@([A-Z]+)@@")
_README = """\
## Open it

Unpack this folder and open `index.html` in a current browser (of 2024 or newer; tried in Chromium): from the disk, or
from any web server that sends files as they are, such as

    python3 -m http.server

The page holds the model and LiteRT.js. It needs no network, and its own policy forbids it to send anything anywhere.
It runs the self-test when it opens and says PASS or FAIL. Most browsers lend their camera only to pages from the disk,
from `localhost` or over HTTPS.

The model files in this folder also run on a computer:"""


def add(build: Build) -> Added:
    """The page, LiteRT's licence and, for classes of pictures, the file of gradients that the page explains with.
    RefusedError for a model of sounds.
    """
    if build.arrays.kind == "sounds":
        raise RefusedError(NO_SOUNDS)
    explanation, why_not = _explanation(build)
    default = build.exports.made[build.exports.default]
    models = {"model": default.content}
    if explanation:
        models["gradients"] = (build.folder / GRADIENTS_FILE).read_bytes()
    build.tick("packing", 0.5)
    data = {
        "manifest": _about(build, default, explanation),
        "models": {name: _base64(content) for name, content in models.items()},
        "selftest": _selftest(build),
    }
    page = _page(build, default, data)
    (build.folder / PAGE_FILE).write_text(page, encoding="utf-8")
    (build.folder / LICENSE_FILE).write_text(_license(), encoding="utf-8")
    build.tick("packing", 1.0)
    return Added(
        manifest={
            "page": {"file": PAGE_FILE, "runtime": f"LiteRT.js {_text('litert.version').strip()}"},
            "explanation": explanation,
            "explanation_left_out": why_not,
        },
        summary={"page_bytes": len(page.encode())},
        readme=_README,
    )


def _explanation(build: Build) -> tuple[dict[str, Any] | None, str]:
    """The manifest's `explanation` with its file written; or None, and why there is none."""
    if build.arrays.kind != "images" or not build.arrays.labels:
        return None, "Maps are for classes of pictures."
    try:
        content = gradient_file(build.model)
    except ConversionError as error:
        return None, f"The gradients of this model cannot be exported: {error}"
    (build.folder / GRADIENTS_FILE).write_bytes(content)
    return {
        "method": "integrated-gradients",
        "file": GRADIENTS_FILE,
        "steps": STEPS,
        # Against the same picture blurred (Fong and Vedaldi 2017, arXiv:1704.03296), by a Gaussian of so many pixels.
        "blur": max(1.0, BLUR * min(build.arrays.test.x.shape[1:3])),
    }, ""


def _about(build: Build, default: Exported, explanation: dict[str, Any] | None) -> dict[str, Any]:
    """What of the manifest the page needs, by the same names."""
    return {
        "labels": list(build.arrays.labels),
        "input": about_input(build.arrays),
        "default_variant": str(default.variant),
        "variants": {str(default.variant): about_variant(default, build.arrays)},
        "explanation": explanation,
    }


def _selftest(build: Build) -> dict[str, Any]:
    vectors, variant = build.vectors, str(build.exports.default)
    inputs = np.ascontiguousarray(vectors.inputs)
    return {
        "dtype": str(inputs.dtype),
        "count": len(inputs),
        "limit": vectors.tolerance[variant],
        "inputs": _base64(inputs.tobytes()),
        "outputs": _base64(np.ascontiguousarray(vectors.outputs[variant], dtype=np.float32).tobytes()),
    }


def _page(build: Build, default: Exported, data: Mapping[str, Any]) -> str:
    style, program, page = _text("app.css"), _text("litert.js"), _text("page.js")
    parts = {
        "STYLE": style,
        "PROGRAM": program,
        "PAGE": page,
        "WASM": _base64(_bytes("litert.wasm.bin")),
        "TITLE": escape(build.task.provenance.name or "A model"),
        "INTRO": escape(_intro(build, default)),
        "POLICY": _policy([program, page], style),
        # No label can end the script that it stands in.
        "DATA": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    }
    return _MARK.sub(lambda found: parts[found[1]], _text("page.html"))


def _intro(build: Build, default: Exported) -> str:
    samples, classes = f"{len(default.outputs):,} test samples", len(build.arrays.labels)
    what = f"It tells {classes} classes apart" if classes else "It estimates a number"
    if not dataless.is_measured(build.arrays):
        return f"{what}. {dataless.NOTE}"
    if not classes:
        return f"{what}; mean absolute error {default.metrics['mae']:.4g} on {samples}."
    return f"{what}; right on {default.metrics['accuracy']:.1%} of {samples}."


def _policy(scripts: list[str], style: str) -> str:
    """The page's own content security policy: these very scripts, WebAssembly, and no connection to anywhere."""
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {allowed} 'wasm-unsafe-eval'; style-src 'sha256-{_digest(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _license() -> str:
    """LiteRT's licence, which LiteRT.js shares: npm's package lacks the text, the Python one has it."""
    for file in metadata.files("ai-edge-litert") or []:
        if file.name == "LICENSE":
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(
        "ai-edge-litert is installed without its LICENSE, which every browser bundle must hold"
    )


def _text(name: str) -> str:
    return _bytes(name).decode("utf-8")


def _bytes(name: str) -> bytes:
    path = FRONT_END / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing on this node: run `python -m portal.kit.frontend`")
    return path.read_bytes()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
