"""A whole job through the portal, against a plain Keras script with the same model, epochs and files."""

import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.row import Row
from tests.e2e.portal import ROOT, Portal

ARCHIVE = ROOT.parent / "shared" / "data" / "cifar10-5k.zip"
EPOCHS = 5
GOAL = 1.0
WHAT = f"whole job, CIFAR-10 (5,000 pictures, {EPOCHS} epochs): submit → model"


def measure(portal: Portal) -> list[Row]:
    if not ARCHIVE.exists():
        return [Row(WHAT, "no data set here", goal=f"≤ {GOAL}")]
    member = portal.member("whole")
    dataset = member.dataset("CIFAR", "image-classification", "cifar10.zip", ARCHIVE.read_bytes())
    params = {"epochs": EPOCHS, "early_stop": False}
    began = time.perf_counter()
    job = member.ended(
        member.post("/jobs", {"recipe": "image-classifier", "dataset": dataset, "params": params}), 900
    )
    ours = time.perf_counter() - began
    assert job["status"] == "succeeded", member.trail(f"/jobs/{job['id']}")
    accuracy = member.get(f"/models/{job['model']}")["metrics"]["test"]["accuracy"]
    theirs, their_accuracy = plain()
    return [
        Row(WHAT, f"{ours:.1f} s (accuracy {accuracy:.3f})",
            f"plain script with `image_dataset_from_directory`: {theirs:.1f} s (accuracy {their_accuracy:.3f})",
            f"{ours / theirs:.2f}", f"≤ {GOAL}", ours / theirs <= GOAL),
    ]  # fmt: skip


def plain() -> tuple[float, float]:
    """Seconds and test accuracy of the plain script, the process's start included, unpacking not."""
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(ARCHIVE) as packed:
            packed.extractall(name)
        folder = next(
            path for path in [Path(name), *Path(name).iterdir()] if len(list(path.glob("*/*.*"))) > 100
        )
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.plain", str(folder), str(EPOCHS)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return time.perf_counter() - began, float(done.stdout.strip().splitlines()[-1])
