"""Bundles to go on with elsewhere: ONNX in ONNX Runtime, the `.keras` file in Keras, a SavedModel in TensorFlow."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from hardware.targets.registry import TARGETS
from jobs.engine.data import Arrays, load
from jobs.engine.events import Wish
from tests.export.conftest import Built, run_py

pytestmark = [pytest.mark.train, pytest.mark.long]
NAMES = ["digits", "farm_classes", "farm_values"]


def built_as(built: Built, target: str, home: Path) -> Built:
    from jobs.engine.export.build import run

    task = {**built.task, "target": TARGETS[target].as_json(), "out": str(home / "out")}
    events: list[dict[str, Any]] = []
    run(task, events.append, Wish())
    assert events[-1]["reason"] == "done", events[-1]
    return Built(home, task, events)


@pytest.fixture(scope="module", params=NAMES)
def source(request: pytest.FixtureRequest) -> Built:
    built: Built = request.getfixturevalue(request.param)
    return built


def arrays_of(built: Built) -> Arrays:
    size = {"size": (8, 8), "channels": 1} if built.manifest["input"]["kind"] == "image" else {}
    return load(built.home / "data", built.home / "cache", "key", **size)


def keras_answers(built: Built, x: Any) -> Any:
    import keras

    model = keras.models.load_model(built.home / "model.keras", compile=False)
    return model.predict(np.asarray(x, dtype=np.float32), verbose=0)


def close(found: Any, wanted: Any) -> bool:
    return float(np.abs(found - wanted).max()) <= 1e-5 * max(1.0, float(np.abs(wanted).max()))


def program_of(bundle: Path) -> str:
    """The program that README.md shows."""
    blocks = re.findall(r"```python\n(.*?)```", (bundle / "README.md").read_text(), re.DOTALL)
    return str(blocks[-1])


def run_program(bundle: Path, program: str) -> str:
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=bundle, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def put_input(source: Built, bundle: Path) -> None:
    """The file that README.md's program reads."""
    upload = source.home / "data" / "upload"
    if source.manifest["input"]["kind"] == "table":
        (bundle / "table.csv").write_bytes(upload.read_bytes())
        return
    with zipfile.ZipFile(upload) as archive:
        (bundle / "picture.jpg").write_bytes(archive.read(archive.namelist()[0]))


@pytest.fixture(scope="module")
def made(source: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built_as(source, "onnx", tmp_path_factory.mktemp("onnx"))


class TestOnnx:
    def test_onnx_runtime_answers_as_keras_does(self, source: Built, made: Built) -> None:
        x = np.asarray(arrays_of(source).test.x, dtype=np.float32)
        session = onnxruntime.InferenceSession(made.bundle / "model.onnx")
        about = made.manifest["variants"]["onnx"]
        found = session.run([about["output"]], {about["input"]: x})[0]
        wanted = keras_answers(source, x)
        assert close(found, wanted)
        assert about["max_difference"] <= 1e-5 * max(1.0, float(np.abs(wanted).max()))
        if source.manifest["labels"]:
            assert about["accuracy"] == np.mean(wanted.argmax(axis=1) == arrays_of(source).test.y)
        assert about["samples"] == len(x)

    def test_gaps_and_unheard_of_categories_are_answered_alike(self, source: Built, made: Built) -> None:
        if source.manifest["input"]["kind"] == "image":
            return  # a picture has no gaps
        x = np.asarray(arrays_of(source).test.x[:8], dtype=np.float32)
        for place, column in enumerate(source.manifest["input"]["columns"]):
            x[place % 4, place] = -1 if column["type"] == "category" else np.nan
        x[7] = [-1 if each["type"] == "category" else np.nan for each in source.manifest["input"]["columns"]]
        session = onnxruntime.InferenceSession(made.bundle / "model.onnx")
        found = session.run(None, {"input": x})[0]
        assert np.isfinite(found).all()
        assert close(found, keras_answers(source, x))

    def test_the_file_says_what_the_manifest_says(self, made: Built) -> None:
        model = onnx.load(made.bundle / "model.onnx")
        about = made.manifest["variants"]["onnx"]
        onnx.checker.check_model(model, full_check=True)
        assert (about["opset"], about["ir_version"]) == (17, 8)
        assert [(each.domain, each.version) for each in model.opset_import if not each.domain] == [("", 17)]
        assert model.ir_version == about["ir_version"]
        assert (model.graph.input[0].name, model.graph.output[0].name) == (about["input"], about["output"])
        assert "arena_bytes" not in about
        assert not {"model.tflite", "model_fp32.tflite"} & set(made.manifest["files"])

    def test_run_py_answers_and_passes_with_it(self, source: Built, made: Built) -> None:
        done = run_py(made.bundle, "--selftest")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32"), done.stderr
        assert json.loads(run_py(made.bundle, "--benchmark", "--json").stdout)["variant"] == "onnx"
        done = run_py(made.bundle, "--variant", "int8", "x")
        assert (done.returncode, "no int8 model: it has onnx" in done.stderr) == (1, True)
        if source.manifest["input"]["kind"] == "table":
            upload = source.home / "data" / "upload"
            onnx_, litert = (
                run_py(each.bundle, "--json", *more, upload)
                for each, more in ((made, ()), (source, ("--variant", "fp32")))
            )
            pairs = zip(onnx_.stdout.splitlines(), litert.stdout.splitlines(), strict=True)
            for mine, other in (map(json.loads, pair) for pair in pairs):
                if "label" in other:
                    assert mine["label"] == other["label"]
                else:
                    assert mine["value"] == pytest.approx(other["value"], rel=1e-4)

    def test_the_readmes_program_runs(self, source: Built, made: Built) -> None:
        put_input(source, made.bundle)
        assert run_program(made.bundle, program_of(made.bundle)).strip()

    def test_without_onnx_runtime_it_says_what_to_install(self, made: Built) -> None:
        done = run_py(made.bundle, "--selftest", python=("-I", "-S"))
        assert "numpy is missing" in done.stderr
        code = (
            "import sys, runpy; sys.modules['onnxruntime'] = None;"
            f"sys.argv = ['run.py', '--selftest']; runpy.run_path({str(made.bundle / 'run.py')!r}, run_name='__main__')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "ONNX Runtime is not installed" in done.stderr
        assert re.search(r"pip install .*onnxruntime", done.stderr)


def test_the_keras_file_is_the_trainings_and_goes_on(digits: Built, tmp_path: Path) -> None:
    import keras

    made = built_as(digits, "keras", tmp_path)
    assert (made.bundle / "model.keras").read_bytes() == (digits.home / "model.keras").read_bytes()
    model = keras.models.load_model(made.bundle / "model.keras")
    arrays = arrays_of(digits)
    x = np.asarray(arrays.test.x, dtype=np.float32)
    wanted = keras_answers(digits, x)
    assert close(model.predict(x, verbose=0), wanted)
    about = made.manifest["formats"]["keras"]
    assert about["samples"] == len(x)
    assert about["accuracy"] == np.mean(wanted.argmax(axis=1) == arrays.test.y)
    model.compile("adam", "sparse_categorical_crossentropy")
    before = [value.copy() for value in model.get_weights()]
    model.fit(np.asarray(arrays.train.x[:32], dtype=np.float32), arrays.train.y[:32], verbose=0)
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    put_input(digits, made.bundle)
    assert run_program(made.bundle, program_of(made.bundle)).strip()
    assert run_py(made.bundle, "--selftest").returncode == 0


def test_a_saved_model_loads_again_and_answers_alike(farm_classes: Built, tmp_path: Path) -> None:
    import tensorflow as tf

    made = built_as(farm_classes, "savedmodel", tmp_path)
    unpack = [sys.executable, "-m", "zipfile", "-e", "saved_model.zip", "."]
    subprocess.run(unpack, cwd=made.bundle, check=True)
    loaded = tf.saved_model.load(str(made.bundle / "saved_model"))
    x = np.asarray(arrays_of(farm_classes).test.x, dtype=np.float32)
    wanted = keras_answers(farm_classes, x)
    assert close(loaded.serve(x).numpy(), wanted)
    signed = loaded.signatures["serving_default"](tf.constant(x))
    assert close(next(iter(signed.values())).numpy(), wanted)
    assert made.manifest["formats"]["savedmodel"]["max_difference"] <= 1e-5
    put_input(farm_classes, made.bundle)
    assert run_program(made.bundle, program_of(made.bundle)).strip()


def test_what_onnx_cannot_express_is_refused_in_words(digits: Built, tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((8, 8, 1))
    pixels = keras.ops.cast(inputs, "int32")
    x = keras.ops.bitwise_xor(pixels, keras.ops.add(pixels, pixels))  # LiteRT has it, ONNX from opset 18 on
    x = keras.layers.Flatten()(keras.ops.cast(x, "float32") / 255)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))
    model.save(tmp_path / "model.keras")
    from jobs.engine.export.build import run

    events: list[dict[str, Any]] = []
    task = {**digits.task, "model": str(tmp_path / "model.keras"), "out": str(tmp_path / "out")}
    run({**task, "target": TARGETS["onnx"].as_json()}, events.append, Wish())
    assert events[-1]["reason"] == "refused", events[-1]
    assert "ONNX" in events[-1]["message"]
