"""`manifest.json`: what a bundle holds, where it comes from, what it is worth. Its bytes are signed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from hardware.targets.profiles import Kind, Target
from hardware.targets.registry import TARGETS
from jobs.engine.data import Arrays
from jobs.engine.export.dataless import is_measured
from jobs.engine.export.fit import why_not
from jobs.engine.export.task import Provenance
from jobs.engine.export.variants import FILES, Exported, Exports

FORMAT = 1
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
# Metrics that are for people: in the report, not in the manifest.
DETAILS = {"confusion_matrix", "per_class"}


def describe(
    *,
    task_name: str,
    exports: Exports,
    arrays: Arrays,
    target: Target,
    provenance: Provenance,
    model_sha256: str,
    selftest: dict[str, Any],
) -> dict[str, Any]:
    """Everything but `files`, as plain JSON values."""
    default = exports.made[exports.default]
    return {
        "format": FORMAT,
        "name": provenance.name,
        "task": task_name,
        "created_at": provenance.created_at,
        "provenance": {**provenance.model_dump(exclude={"name", "created_at"}), "model_sha256": model_sha256},
        "target": target.summary(),
        "labels": list(arrays.labels),
        "input": about_input(arrays),
        "output": {
            "shape": [1, default.outputs.shape[1]],
            "dtype": "float32",
            "scale": "probabilities in the order of labels" if arrays.labels else "the target's own unit",
        },
        "default_variant": str(exports.default),
        "measured": is_measured(arrays),
        "variants": {str(name): about_variant(made, arrays) for name, made in exports.made.items()},
        "left_out": {str(name): reason for name, reason in exports.left_out.items()},
        "note": exports.note,
        "targets": [_verdict(each, default) for each in TARGETS.values()],
        "runtime": _runtime(target, exports),
        "selftest": selftest,
    }


def finish(folder: Path, manifest: dict[str, Any]) -> None:
    """Add size and SHA-256 of every file of the folder, and write the manifest there."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
        if path.name not in {MANIFEST_FILE, SIGNATURE_FILE}
    }
    text = json.dumps({**manifest, "files": files}, indent=1, allow_nan=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def about_input(arrays: Arrays) -> dict[str, Any]:
    """`input`: what a program must give the model, and how it reads a table."""
    shape = [1, *arrays.test.x.shape[1:]]
    if arrays.index["kind"] == "sounds":
        given = {"rate_hz": arrays.index["rate_hz"], "samples": shape[1]}
        return {"kind": "sound", "shape": shape, "dtype": "float32", "scale": "samples -1..1, mono", **given}
    if arrays.index["kind"] == "images":
        height, width, channels = shape[1:]
        sides = {"height": height, "width": width, "channels": channels}
        return {"kind": "image", "shape": shape, "dtype": "float32", "scale": "pixels 0..255", **sides}
    columns = [
        {key: value for key, value in column.items() if key in {"name", "type", "categories"}}
        for column in arrays.index["columns"]
    ]
    reader = {**_READER, **{key: value for key, value in arrays.index["reader"].items() if value}}
    scale = "numbers as they are, NaN where missing; categories by place, -1 where unknown"
    return {
        "kind": "table",
        "shape": shape,
        "dtype": "float32",
        "scale": scale,
        "columns": columns,
        "reader": reader,
    }


# How a CSV file is read on the board when the data set itself was Parquet.
_READER = {"delimiter": ",", "decimal": ".", "encoding": "utf-8"}


def about_variant(made: Exported, arrays: Arrays) -> dict[str, Any]:
    """An entry of `variants`: a model file, and what it turned out to be worth."""
    metrics = {name: value for name, value in made.metrics.items() if name not in DETAILS}
    return {
        "file": FILES[made.variant],
        **metrics,
        "samples": len(arrays.test.y),
        "model_bytes": len(made.content),
        "arena_bytes": made.graph.arena_bytes,
        "ram_bytes": made.need.ram_bytes,
        "ram_estimated": True,
        "operators": list(made.graph.operators),
        # It was run by LiteRT itself, which has every operator but those that others wrote.
        "operators_supported": not made.graph.custom,
        **({"compared": made.compared.as_json()} if made.compared else {}),
        **({"remedy": made.treated.as_json()} if made.treated else {}),
    }


def _verdict(target: Target, default: Exported) -> dict[str, Any]:
    """Whether the default variant would also run on another board."""
    reason = why_not(target, default.need) if target.kind is Kind.LINUX else "It needs a build of its own."
    if not target.buildable:
        reason = "Nothing is built for it yet."
    return {"name": target.name, "fits": not reason, "reason": reason}


def _runtime(target: Target, exports: Exports) -> dict[str, Any]:
    versions = [made.graph.minimum_runtime for made in exports.made.values() if made.graph.minimum_runtime]
    newest = max(versions, key=_numbers, default="")
    return {
        "python": target.runtime.min_python,
        "packages": list(target.runtime.packages),
        "pictures": list(target.runtime.pictures),
        "minimum": f"TensorFlow Lite {newest}" if newest else "LiteRT",
        "note": target.runtime.note,
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
