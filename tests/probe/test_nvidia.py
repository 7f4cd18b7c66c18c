"""NVIDIA GPUs through the real pynvml and a driver's library of ours; in processes of their own, as it is loaded
once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hardware.nodes.probe import nvidia
from tests.probe.machines import COMPILER, driver, write

ROOT = Path(__file__).resolve().parents[2]
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="There is no C compiler here: apt-get install gcc libc6-dev"
)


def told(folder: Path, *arguments: str) -> Any:
    env = os.environ | {"LD_LIBRARY_PATH": str(folder), "NVML_FOLDER": str(folder)}
    argv = [sys.executable, *arguments]
    return json.loads(
        subprocess.run(argv, capture_output=True, check=True, cwd=ROOT, env=env, timeout=30).stdout
    )


def test_no_driver_is_no_complaint() -> None:
    if not Path("/proc/driver/nvidia").exists():
        assert nvidia.gpus() == ([], "", [])
        assert not nvidia.reach()


@needs_compiler
def test_what_a_node_says_of_its_gpus(tmp_path: Path) -> None:
    said = told(driver(tmp_path), "-m", "hardware.nodes.probe")
    new, old = said["accelerators"][1:3]
    assert (new["kind"], new["index"], new["model"], new["memory_bytes"]) == (
        "gpu",
        0,
        "NVIDIA L4",
        24_000_000_000,
    )
    assert new["details"] == {
        "compute_capability": "8.9", "driver": "580.65.06", "pci_bus": "00000000:01:00.0", "power_limit_w": "72"
    }  # fmt: skip
    assert (old["index"], old["uuid"], old["details"]["pci_bus"]) == (1, "GPU-old", "00000000:02:00.0")
    assert (said["driver"], said["trouble"]) == ("580.65.06", [])


SAMPLED = """
import dataclasses, json
from hardware.nodes.probe.sampling import Sampler
print(json.dumps([dataclasses.asdict(reading) for reading in Sampler().take()[1:]]))
"""


@needs_compiler
def test_readings_of_gpus(tmp_path: Path) -> None:
    new, old = told(driver(tmp_path), "-c", SAMPLED)
    assert new == {
        "kind": "gpu", "index": 0, "utilisation": 0.75, "memory_bytes": 4_000_000_000, "temperature_c": 61.0,
        "power_w": 120.0,
    }  # fmt: skip
    assert (old["index"], old["utilisation"], old["power_w"]) == (1, None, 120.0)


METERED = """
import json, os, pathlib
from hardware.nodes.probe.energy import Meter
clock = [0.0]
folder = pathlib.Path(os.environ["NVML_FOLDER"])
def metered(gpu):
    meter = Meter([("gpu", gpu, "")], cpu=False, now=lambda: clock[0])
    meter.start()
    clock[0] += 10
    (folder / "energy_mj").write_text(str(int((folder / "energy_mj").read_text()) + 5000))
    found = meter.stop()
    return [found.joules, found.measured]
print(json.dumps([metered(0), metered(1), metered(7)]))
"""


@needs_compiler
def test_energy_by_the_counter_else_by_what_it_draws_else_by_an_assumption(tmp_path: Path) -> None:
    assert told(driver(tmp_path), "-c", METERED) == [[5.0, True], [1200.0, False], [2000.0, False]]


@needs_compiler
def test_a_gpu_that_says_only_what_it_is_held_to(tmp_path: Path) -> None:
    folder = write(driver(tmp_path), {"power_mw": "0"})
    assert told(folder, "-c", METERED)[1] == [1500.0, False]
