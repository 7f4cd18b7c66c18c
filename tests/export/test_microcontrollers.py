"""Bundles for microcontrollers: what they hold, what they refuse, and that their C computes as the portal did."""

import ctypes
import dataclasses
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.targets.profiles import Target
from hardware.targets.registry import TARGETS
from jobs.bundles.sealing import seal
from jobs.bundles.signing import new_key
from jobs.engine.export.microcontroller import plain_c
from jobs.engine.export.microcontroller.tflm import Micro
from tests.export.conftest import HOSTILE, Built, run_py
from tests.export.test_refusals import rebuilt

pytestmark = pytest.mark.train
NANO = TARGETS["arduino-nano-33-ble-sense"]
OF_EVERY = {
    "main.c", "Makefile", "kernels.h", "gristmill.h", "gristmill_labels.c", "gristmill_tflm.cc", "model_data.c",
    "model_data.h", "model_micro.tflite", "selftest_data.c",
}  # fmt: skip


@pytest.fixture(scope="session")
def nano(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return rebuilt(digits, tmp_path_factory.mktemp("nano"), NANO)


def made(bundle: Path, tmp_path: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    home = shutil.copytree(bundle, tmp_path / "home")
    return subprocess.run(
        ["make", "-C", home, "plain", "FLAGS=-Wextra -Werror -pedantic", *args],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_bundle_holds_the_project_beside_the_files_for_a_computer(nano: Built) -> None:
    assert nano.done["reason"] == "done", nano.done
    assert OF_EVERY | {"gristmill_plain.c", "model.tflite", "model_fp32.tflite", "run.py"} < set(
        nano.manifest["files"]
    )
    assert run_py(nano.bundle, "--selftest").stdout.splitlines()[-1] == "PASS 32/32"
    content = (nano.bundle / "model_micro.tflite").read_bytes()
    array = (nano.bundle / "model_data.c").read_text().split("= {")[1].split("}")[0]
    assert bytes(int(part) for part in array.replace("\n", "").split(",") if part.strip()) == content


def test_what_was_measured(nano: Built) -> None:
    about, summary = nano.manifest["microcontroller"], nano.done["summary"]
    int8 = nano.manifest["variants"]["int8"]
    assert about["samples"] == int8["samples"]
    assert abs(about["accuracy"] - int8["accuracy"]) <= 0.02
    assert summary["accuracy"] == about["accuracy"]
    assert summary["float_accuracy"] == nano.manifest["variants"]["fp32"]["accuracy"]
    assert about["model_bytes"] == (nano.bundle / "model_micro.tflite").stat().st_size < about["flash_bytes"]
    assert int8["arena_bytes"] < about["arena_measured_bytes"] < about["arena_bytes"] <= NANO.ram_free_bytes
    assert about["operators_supported"]
    assert (about["input"]["dtype"], about["output"]["dtype"]) == ("int8", "int8")
    assert about["runtime"]["commit"]
    assert "not run on this core" in about["proof"]


def test_the_resolver_lists_the_operators_used_and_no_others(nano: Built) -> None:
    source = (nano.bundle / "gristmill_tflm.cc").read_text()
    assert nano.manifest["microcontroller"]["operators"] == [
        "ADD", "CONV_2D", "FULLY_CONNECTED", "MEAN", "MUL", "SOFTMAX",
    ]  # fmt: skip
    assert source.count("resolver.Add") == 6
    assert "MicroMutableOpResolver<6>" in source
    assert f"kArenaBytes = {nano.manifest['microcontroller']['arena_bytes']};" in source
    assert "@" not in source


def test_it_can_be_sealed(nano: Built, tmp_path: Path) -> None:
    seal(nano.bundle, new_key(), tmp_path / "bundle.zip", "digits-nano")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert "digits-nano/gristmill_tflm.cc" in archive.namelist()


def test_the_arena_is_enough(nano: Built) -> None:
    about = nano.manifest["microcontroller"]
    micro = Micro((nano.bundle / about["file"]).read_bytes())
    assert micro.runs_in(about["arena_bytes"])
    assert micro.arena_bytes() == about["arena_measured_bytes"]


def test_plain_c_passes_its_selftest_here(nano: Built, tmp_path: Path) -> None:
    done = made(nano.bundle, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = subprocess.run(
        [tmp_path / "home" / "selftest_plain.elf"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "furthest off: 0 millionths\nPASS 32/32\n")


def test_a_selftest_notices_another_model(nano: Built, tmp_path: Path) -> None:
    home = shutil.copytree(nano.bundle, tmp_path / "spoilt")
    path = home / "gristmill_plain.c"
    first, rest = path.read_text().split("gm_softmax", maxsplit=1)
    path.write_text(first + "gm_softmax" + rest.replace("output)", "output + 1)", 1))
    assert made(home, tmp_path).returncode == 0
    ran = subprocess.run(
        [tmp_path / "home" / "selftest_plain.elf"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1].startswith("FAIL ")


def test_labels_are_no_code(nano: Built) -> None:
    source = (nano.bundle / "gristmill_labels.c").read_text()
    assert "<script>" not in source
    assert "\\074script\\076" in source
    assert HOSTILE not in (nano.bundle / "README.md").read_text()


def test_the_same_model_and_target_give_the_same_bytes(digits: Built, nano: Built, tmp_path: Path) -> None:
    again = rebuilt(digits, tmp_path, NANO)
    assert again.manifest["files"] == nano.manifest["files"]


def small(**changes: Any) -> Target:
    return dataclasses.replace(NANO, **changes)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            small(ram_free_bytes=5 << 10),
            "KiB of memory for its activations and Arduino Nano 33 BLE Sense has about 5 KiB",
        ),
        (small(flash_bytes=200 << 10), "KiB of flash, the program around it about 192 KiB"),
        (
            small(operators=("ADD", "CONV_2D", "MEAN", "MUL")),
            "does not have the operators FULLY_CONNECTED, SOFTMAX",
        ),
    ],
    ids=["memory", "flash", "operators"],
)
def test_what_does_not_fit_is_refused_in_words(
    digits: Built, tmp_path: Path, target: Target, sentence: str
) -> None:
    found = rebuilt(digits, tmp_path, target)
    assert found.done["reason"] == "refused"
    assert sentence in found.done["message"]
    assert not found.bundle.exists()


def test_a_board_whose_core_is_not_emulated_says_so(digits: Built, tmp_path: Path) -> None:
    found = rebuilt(digits, tmp_path, TARGETS["esp32-s3"])
    sentence = "TensorFlow Lite Micro: operators and arena checked, not run on this core."
    assert found.manifest["microcontroller"]["proof"] == sentence
    assert sentence in (found.bundle / "README.md").read_text()


@pytest.mark.parametrize("kind", ["farm_classes", "farm_values"])
def test_tables_take_floats(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    built = request.getfixturevalue(kind)
    found = rebuilt(built, tmp_path, NANO)
    assert found.done["reason"] == "done", found.done
    about = found.manifest["microcontroller"]
    assert about["input"] == {"shape": [1, 4], "dtype": "float32"}
    assert "No plain C" in about["plain_c"]["left_out"]
    assert not (found.bundle / "gristmill_plain.c").exists()
    key = "accuracy" if kind == "farm_classes" else "r2"
    default = found.manifest["variants"][found.manifest["default_variant"]]
    assert about[key] == pytest.approx(default[key], abs=0.01)


# -- the kernels, on nets that the recipes do not make -----------------------------------------------------------------


def zoo() -> Any:
    from keras import Input, Model, layers

    x = source = Input((17, 13, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(layers.Conv2D(12, 1)(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    x = layers.AveragePooling2D(2, strides=1, padding="same")(x)
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    return Model(source, layers.Dense(4, activation="softmax")(x))


def value() -> Any:
    from keras import Input, Model, layers

    x = source = Input((17, 13, 3))
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x)
    x = layers.Add()([x, layers.Conv2D(4, 3, padding="same", activation="relu")(source)])
    return Model(source, layers.Dense(1)(layers.GlobalAveragePooling2D()(layers.ReLU()(x))))


def swish() -> Any:
    from keras import Input, Model, layers

    source = Input((17, 13, 3))
    return Model(source, layers.Flatten()(layers.Conv2D(2, 3, activation="swish")(source)))


def as_int8(model: Any, folder: Path) -> bytes:
    from jobs.engine.export.convert import Converter

    samples = np.random.default_rng(0).integers(0, 256, (40, 17, 13, 3)).astype(np.float32)
    with Converter(model, (17, 13, 3), folder) as converter:
        return converter.int8_throughout(samples)


def compiled(source: str, bundle: Path, folder: Path, micro: Micro) -> Any:
    """The plain C as a function of this process: raw inputs (n, ...) to raw outputs (n, outputs)."""
    (folder / "m.c").write_text(source)
    shutil.copy(bundle / "kernels.h", folder)
    (folder / "gristmill.h").write_text("#include <stdint.h>\n")
    argv = [
        "gcc",
        "-std=c99",
        "-O2",
        "-shared",
        "-fPIC",
        "-fsanitize=undefined",
        "-fno-sanitize-recover",
        "-o",
        "m.so",
    ]
    subprocess.run([*argv, "m.c"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "m.so"))

    def run(x: NDArray[np.int8]) -> NDArray[np.int8]:
        found = np.zeros((len(x), micro.raw(x[:1]).shape[1]), dtype=np.int8)
        for sample, out in zip(np.ascontiguousarray(x), found, strict=True):
            library.gristmill_run(sample.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
        return found

    return run


@pytest.mark.parametrize("net", [zoo, value])
def test_plain_c_gives_the_very_bytes_of_tensorflow_lite_micro(net: Any, nano: Built, tmp_path: Path) -> None:
    content = as_int8(net(), tmp_path)
    micro, plain = Micro(content), plain_c.write(content)
    x = np.random.default_rng(1).integers(-128, 128, (200, 17, 13, 3)).astype(np.int8)
    run = compiled(plain.source, nano.bundle, tmp_path, micro)
    np.testing.assert_array_equal(run(x), micro.raw(x))


def test_plain_c_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(plain_c.NoKernelError, match="no kernel for the operator LOGISTIC"):
        plain_c.write(as_int8(swish(), tmp_path))


def test_the_whole_test_split_gives_the_very_bytes(digits: Built, nano: Built, tmp_path: Path) -> None:
    from jobs.engine.data import load

    micro = Micro((nano.bundle / "model_micro.tflite").read_bytes())
    run = compiled((nano.bundle / "gristmill_plain.c").read_text(), nano.bundle, tmp_path, micro)
    x = micro.quantised(
        load(digits.home / "data", digits.home / "cache", "key", size=(8, 8), channels=1).test.x
    )
    np.testing.assert_array_equal(run(x), micro.raw(x))
    assert json.loads((nano.bundle / "manifest.json").read_text())["microcontroller"]["samples"] == len(x)
