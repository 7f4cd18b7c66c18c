"""Reports and build folders as the engine leaves them."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

DEVICE = Path(__file__).parents[2] / "jobs" / "engine" / "export" / "device"
REPORT = {
    "task": "image-classification",
    "labels": ["cat", "<b>dog</b>"],
    "metrics": {
        "test": {"accuracy": 0.975, "macro_f1": 0.974, "confusion_matrix": [[20, 0], [1, 19]]},
        "validation": {"accuracy": 0.98},
    },
    "history": [{"epoch": 1, "loss": 0.5}],
    "samples": {"train": 100, "validation": 20, "test": 40},
}


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def small_zip(**files: bytes) -> bytes:
    """A bundle's zip with these files (a dot in a name written as two underscores) in its folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in files.items():
            packed.writestr(f"pets/{name.replace('__', '.')}", content)
    return stream.getvalue()


def write_manifest(folder: Path, **more: Any) -> None:
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
        if path.name != "manifest.json"
    }
    (folder / "manifest.json").write_bytes(as_bytes({"format": 1, "files": files, **more}))
