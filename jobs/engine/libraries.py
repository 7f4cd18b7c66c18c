"""What computes here: for receipts, and to know by what a result may be made again."""

import platform
from importlib import metadata
from pathlib import Path

from portal.kit import sources

NAMES = (
    "ai-edge-litert",
    "jax",
    "keras",
    "numpy",
    "onnx",
    "onnxruntime",
    "pillow",
    "scikit-learn",
    "tensorflow",
    "tensorflow-cpu",
    "tf2onnx",
    "tflite-micro",
)


def versions() -> dict[str, str]:
    """Name → version of Python and of those of the libraries that are installed; `processor` is its architecture."""
    found = {"python": platform.python_version(), "processor": platform.machine()}
    for name in NAMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_version() -> str:
    """The fingerprint of the engine's own code."""
    return sources.fingerprint(Path(__file__).parent)
