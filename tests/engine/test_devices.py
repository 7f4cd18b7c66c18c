"""Processors and GPUs that a training is given, as the backends see them: each test in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import KEY, Start

pytestmark = pytest.mark.train
ROOT = Path(__file__).parents[2]
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed here")
needs_gpu = pytest.mark.skipif(not Path("/dev/nvidia0").exists(), reason="there is no NVIDIA GPU here")
# As in a child of the warm parent: everything is imported before it is told what it may use.
AFTER_IMPORT = """
import json, os, sys
import keras, numpy
from jobs.engine.main import run
from jobs.engine.events import Wish
from jobs.engine.training import devices, images, tables
given = json.loads(sys.argv[1])
os.environ.update(given["env"])
exec(given["before"])
run(given["task"], lambda event: print(json.dumps(event)), Wish())
exec(given["after"])
"""
SPLIT_PROCESSOR = """
import tensorflow as tf
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
"""
COUNT = 'print(json.dumps({"type": "seen", "devices": %s}))'
TENSORFLOWS = COUNT % "[device.name for device in tf.config.list_logical_devices()]"
JAXS = COUNT % '[device.platform for device in __import__("jax").devices()]'


def trained(
    data: Path, out: Path, *, backend: str = "tensorflow", env: dict[str, str] | None = None, **more: Any
) -> list[dict[str, Any]]:
    """The events of a short training under a backend."""
    scripts = {name: more.pop(name, "") for name in ("before", "after")}
    task = {
        "kind": "train", "recipe": "table-classifier", "params": {"epochs": 2}, "data": str(data),
        "data_key": KEY, "cache": str(out / "cache"), "out": str(out / "out"), **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", AFTER_IMPORT, json.dumps({"task": task, "env": env or {}, **scripts})],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_who_was_given_no_gpu_trains_on_the_processor(iris: Path, start: Start) -> None:
    run = start("table-classifier", iris, {"epochs": 2}, gpus=0)
    assert run.done["reason"] == "done"
    assert "gpu_peak_bytes" not in run.done["summary"]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU here")
def test_who_was_given_a_gpu_that_is_not_found_does_not_train_on_the_processor(
    iris: Path, start: Start
) -> None:
    run = start("table-classifier", iris, {"epochs": 2}, gpus=1, gpu_limit_mb=1024)
    assert run.done["reason"] == "crashed"
    assert "does not find it" in run.done["message"]


def test_it_trains_where_tensorflow_sees_several_devices(iris: Path, tmp_path: Path) -> None:
    events = trained(iris, tmp_path, before=SPLIT_PROCESSOR, after=TENSORFLOWS, gpus=0, threads=1)
    assert events[-1]["devices"] == ["/device:CPU:0", "/device:CPU:1"]
    assert events[-2]["reason"] == "done", events


@needs_jax
def test_jax_takes_its_settings_after_it_was_imported(iris: Path, tmp_path: Path) -> None:
    env = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "CUDA_VISIBLE_DEVICES": ""}
    events = trained(iris, tmp_path, backend="jax", env=env, after=JAXS, gpus=0, threads=1)
    assert events[-1]["devices"] == ["cpu", "cpu"]
    assert events[-2]["reason"] == "done", events


@needs_gpu
@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=needs_jax)])
def test_a_gpu_s_limit_holds_and_what_was_taken_is_told(iris: Path, tmp_path: Path, backend: str) -> None:
    from jobs.runner.gpus import Gpus

    total = int(
        subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id=0"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    env = Gpus(("0",), total << 20, 1024 << 20).environment()
    over = "try: keras.ops.ones((1 << 29,)) + 1\nexcept Exception as error: refused = str(error)\nelse: refused = ''\n"
    after = over + 'print(json.dumps({"type": "seen", "refused": refused}))'
    events = trained(iris, tmp_path, backend=backend, env=env, after=after, gpus=1, gpu_limit_mb=1024)
    assert events[-2]["reason"] == "done", events
    assert 0 < events[-2]["summary"]["gpu_peak_bytes"] <= 1024 << 20
    assert "RESOURCE_EXHAUSTED" in events[-1]["refused"] or "OOM" in events[-1]["refused"]
