"""Processors and GPUs that a training is given, as the backends see them: each test in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
ONE_THEN_TWO = """
import keras, numpy as np
from jobs.engine.networks import image_network
from jobs.engine.training import steps_tensorflow
from jobs.engine.training.batches import Batch
chance = np.random.default_rng(0)
x, y = chance.integers(0, 255, (17, 8, 8, 1), dtype=np.uint8), chance.integers(0, 3, 17)
both = steps_tensorflow._devices()
found = []
for devices in (both[:1], both, both[:1], both):
    steps_tensorflow._devices = lambda: devices
    keras.utils.set_random_seed(1)
    network = image_network((8, 8, 1), classes=3, width=4, dropout=0.0)
    for layer in network.full._flatten_layers() if len(found) < 2 else ():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    steps = steps_tensorflow.TensorFlowSteps(network, 3)
    outcomes = steps.outcomes([steps.train(Batch(x, y), 0.01) for _ in range(5)])
    graph = steps._train.get_concrete_function(
        tf.TensorSpec(x.shape, "uint8"), tf.TensorSpec(y.shape, "int64"), tf.TensorSpec((), tf.float32)
    ).graph
    places = sorted({op.device for op in graph.get_operations() if op.type == "Conv2D"})
    found.append({"losses": [loss for loss, _ in outcomes], "places": places})
print(json.dumps({"type": "seen", "found": found}))
"""
JAXS = """
print(json.dumps({"type": "seen", "devices": [device.platform for device in __import__("jax").devices()]}))
"""


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


@pytest.fixture(scope="module")
def halves(iris: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The events of a training on a processor that is two devices, which stand for two GPUs; and then comparisons."""
    out = tmp_path_factory.mktemp("halves")
    return trained(iris, out, before=SPLIT_PROCESSOR, after=ONE_THEN_TWO, gpus=0, threads=1)


def test_it_trains_where_tensorflow_sees_several_devices(halves: list[dict[str, Any]]) -> None:
    assert halves[-2]["reason"] == "done", halves


def test_two_devices_learn_what_one_does(halves: list[dict[str, Any]]) -> None:
    """Without batch normalisation there is no difference."""
    frozen_one, frozen_two, one, two = halves[-1]["found"]
    assert [len(run["places"]) for run in (frozen_one, frozen_two, one, two)] == [1, 2, 1, 2]
    assert np.allclose(frozen_one["losses"], frozen_two["losses"], atol=1e-4)
    assert np.allclose(one["losses"], two["losses"], atol=0.1)
    assert two["losses"][-1] < two["losses"][0]


@given(st.integers(1, 500), st.integers(1, 16))
def test_a_batch_is_dealt_out_whole_and_evenly(size: int, devices: int) -> None:
    from jobs.engine.training.steps_tensorflow import parts

    found = parts(size, devices)
    assert sum(found) == size
    assert len(found) <= devices
    assert 1 <= max(found) <= min(found) + 1


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
