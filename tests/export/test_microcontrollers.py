"""Bundles for microcontrollers: what they hold, what they refuse, and that their C computes as the portal did."""

import ctypes
import dataclasses
import json
import os
import re
import shutil
import subprocess
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.targets.litert.file import read
from hardware.targets.registry import TARGETS
from jobs.bundles.sealing import seal
from jobs.bundles.signing import new_key
from jobs.engine.data import load
from jobs.engine.export.microcontroller import plain_c
from jobs.engine.export.microcontroller.packaging import checked, proof
from jobs.engine.export.microcontroller.project import write_plain
from jobs.engine.export.microcontroller.tflm import Micro
from jobs.engine.export.microcontroller.writer import NoKernelError
from jobs.engine.export.variants import RefusedError
from jobs.engine.recipes.sizing.images import NetworkName
from tests.export.conftest import HOSTILE, Built, run_py
from tests.export.test_refusals import rebuilt

pytestmark = pytest.mark.train
NANO = TARGETS["arduino-nano-33-ble-sense"]
OF_EVERY = {
    "main.c", "Makefile", "gristmill.h", "gristmill_labels.c", "gristmill_tflm.cc", "model_data.c",
    "model_data.h", "model_micro.tflite", "selftest_data.c", "example.c", "library.properties", "CMakeLists.txt",
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
    assert OF_EVERY | {"gristmill_plain.c", "kernels.h", "model.tflite", "model_fp32.tflite", "run.py"} < set(
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


def test_its_own_plain_c_was_run_on_the_test_split(nano: Built, digits: Built) -> None:
    about = nano.manifest["microcontroller"]
    assert about["plain_c"]["samples_here"] == about["samples"] > 100
    assert f"very answers to {about['samples']} test samples" in (nano.bundle / "README.md").read_text()
    assert not [name for name in nano.manifest["files"] if name.startswith((".", "answers"))]
    assert [path for path in (nano.home / "out").iterdir() if path.name != "bundle"] == []


SPOILT_CC = """\
#!/bin/sh
for each; do
  case "$each" in -I*) sed -i 's/((int64_t)1 << 30)/0/; s/(int64_t)1 << 30/0/' "${each#-I}/kernels.h" ;; esac
done
exec gcc "$@"
"""


def tool(folder: Path, script: str) -> Path:
    """A compiler of ours by the name of `cc`; the folder it is in."""
    folder.mkdir()
    (folder / "cc").write_text(script)
    (folder / "cc").chmod(0o755)
    return folder


def test_plain_c_that_answers_otherwise_is_not_handed_out(
    digits: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled so that it does not round: some answers are off by a step."""
    monkeypatch.setenv("PATH", f"{tool(tmp_path / 'tools', SPOILT_CC)}:{os.environ['PATH']}")
    found = rebuilt(digits, tmp_path, NANO)
    assert found.done["reason"] == "done"
    about = found.manifest["microcontroller"]["plain_c"]
    assert re.fullmatch(
        r"No plain C: on \d+ of \d+ test samples it did not answer as the model does\.", about["left_out"]
    )
    assert "gristmill_plain.c" not in found.manifest["files"]
    assert "#define GRISTMILL_TFLM 1" in (found.bundle / "gristmill.h").read_text()


def test_without_a_compiler_it_says_that_it_was_not_run(
    digits: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = rebuilt(digits, tmp_path, NANO)
    assert found.manifest["microcontroller"]["plain_c"]["samples_here"] == 0
    assert "this bundle's own was not run" in (found.bundle / "README.md").read_text()


def test_a_compiler_without_its_headers_is_none(
    digits: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tool(tmp_path / "tools", "#!/bin/sh\nexit 1\n")))
    found = rebuilt(digits, tmp_path, NANO)
    assert found.manifest["microcontroller"]["plain_c"]["samples_here"] == 0


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


def test_dense_layers_have_one_scale_as_old_libraries_know_no_more(digits: Built, nano: Built) -> None:
    """Those took the first scale for all, without a word. A computer's file has one for each output."""
    assert dense_scales(nano.bundle / "model_micro.tflite") == [1]
    assert dense_scales(nano.bundle / "model.tflite") == [1]
    assert dense_scales(digits.bundle / "model.tflite") == [10]


def dense_scales(path: Path) -> list[int]:
    dense = [each for each in read(path.read_bytes()).operators if each.name == "FULLY_CONNECTED"]
    return [len(each.tensor(1).scales) for each in dense]


def test_an_operator_that_the_board_lacks_is_refused_in_words(digits: Built, tmp_path: Path) -> None:
    poor = dataclasses.replace(NANO, operators=("ADD", "CONV_2D", "MEAN", "MUL"))
    found = rebuilt(digits, tmp_path, poor)
    assert found.done["reason"] == "refused"
    assert "does not have the operators FULLY_CONNECTED, SOFTMAX" in found.done["message"]
    assert not found.bundle.exists()


def test_what_does_not_fit_is_refused_in_words(nano: Built) -> None:
    content = (nano.bundle / "model_micro.tflite").read_bytes()
    assert checked(content, NANO).content == content
    with pytest.raises(
        RefusedError, match=r"needs \d+ KiB of memory .* and Arduino Nano 33 .* about 4 KiB free"
    ):
        checked(content, dataclasses.replace(NANO, ram_free_bytes=4 << 10))
    with pytest.raises(
        RefusedError, match=r"\d+ KiB of flash, the program .* about 192 KiB, and .* has 200 KiB"
    ):
        checked(content, dataclasses.replace(NANO, flash_bytes=200 << 10))


@pytest.mark.parametrize("name", ["esp32-s3", "raspberry-pi-pico-2"])
def test_a_board_says_what_was_run(name: str) -> None:
    sentence = proof(TARGETS[name], {"file": "gristmill_plain.c"})
    assert sentence.endswith("TensorFlow Lite Micro: operators and arena checked, not run on this core.")
    assert ("emulated cortex-m33" in sentence) == (name == "raspberry-pi-pico-2")
    assert sentence.startswith("Plain C: this bundle's own was not run.")
    ran = proof(TARGETS[name], {"file": "gristmill_plain.c", "samples_here": 360})
    assert "very answers to 360 test samples" in ran
    assert "not run." not in ran
    without = proof(TARGETS[name], {"left_out": "No plain C"})
    assert without.startswith("TensorFlow Lite Micro: operators and arena checked, not run on this core.")
    assert "emulated" not in without
    assert ("tests run plain C there" in without) == (name == "raspberry-pi-pico-2")


def test_tables_take_floats(farm_values: Built, tmp_path: Path) -> None:
    found = rebuilt(farm_values, tmp_path, NANO)
    assert found.done["reason"] == "done", found.done
    about = found.manifest["microcontroller"]
    assert about["input"] == {"shape": [1, 3], "dtype": "float32"}
    default = found.manifest["variants"][found.manifest["default_variant"]]
    assert about["r2"] == pytest.approx(default["r2"], abs=0.01)
    assert about["plain_c"]["headers"] == ["kernels.h", "kernels_float.h"]
    content = (found.bundle / about["file"]).read_bytes()
    micro = Micro(content)
    rows = load(farm_values.home / "data", farm_values.home / "cache", "key").test.x
    assert np.isnan(rows).any()
    np.testing.assert_array_equal(compiled(content, tmp_path, micro)(rows), micro.raw(rows))
    assert made(found.bundle, tmp_path).returncode == 0
    ran = subprocess.run(
        [tmp_path / "home" / "selftest_plain.elf"], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "furthest off: 0 millionths\nPASS 32/32\n"


# -- the kernels, on nets that the recipes do not make -----------------------------------------------------------------


def zoo() -> Any:
    from keras import Input, Model, initializers, layers

    x = source = Input((17, 13, 3))
    x = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(layers.Conv2D(12, 1)(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    x = layers.AveragePooling2D(2, strides=1, padding="same")(x)
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    loud = initializers.VarianceScaling(10.0)  # else all inputs give nearly the same answer
    return Model(source, layers.Dense(4, activation="softmax", kernel_initializer=loud)(x))


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


def recipes(network: NetworkName) -> Any:
    from jobs.engine.export.trial import give_weights
    from jobs.engine.networks import image_network

    model = image_network((17, 13, 3), classes=5, width=8, dropout=0.0, network=network).full
    give_weights(model)
    return model


def as_int8(model: Any, folder: Path) -> bytes:
    from jobs.engine.export.convert import Converter

    samples = np.random.default_rng(0).integers(0, 256, (40, 17, 13, 3)).astype(np.float32)
    with Converter(model, (17, 13, 3), folder) as converter:
        return converter.int8_throughout(samples)


def compiled(content: bytes, folder: Path, micro: Micro) -> Any:
    """The plain C as a function of this process: raw inputs (n, ...) to raw outputs (n, outputs)."""
    write_plain(folder, plain_c.write(content))
    types = ["int8_t" if each[0] == np.int8 else "float" for each in (micro.input, micro.output)]
    (folder / "gristmill.h").write_text(
        f"#include <stdint.h>\ntypedef {types[0]} gristmill_in;\ntypedef {types[1]} gristmill_out;\n"
    )
    flags = ["-std=c99", "-O2", "-shared", "-fPIC", "-fsanitize=undefined", "-fno-sanitize-recover"]
    subprocess.run(["gcc", *flags, "-o", "m.so", "gristmill_plain.c", "-lm"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "m.so"))

    def run(x: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros((len(x), micro.raw(x[:1]).size), dtype=micro.output[0])
        for sample, out in zip(np.ascontiguousarray(x), found, strict=True):
            library.gristmill_run(sample.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
        return found

    return run


@pytest.mark.parametrize("net", [zoo, value, partial(recipes, "separable"), partial(recipes, "plain")])
def test_plain_c_gives_the_very_bytes_of_tensorflow_lite_micro(net: Any, tmp_path: Path) -> None:
    content = as_int8(net(), tmp_path)
    micro = Micro(content)
    x = np.random.default_rng(1).integers(-128, 128, (200, 17, 13, 3)).astype(np.int8)
    run = compiled(content, tmp_path, micro)
    np.testing.assert_array_equal(run(x), micro.raw(x))


def test_plain_c_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(NoKernelError, match="no int8 kernel for the operator LOGISTIC"):
        plain_c.write(as_int8(swish(), tmp_path))


def test_the_whole_test_split_gives_the_very_bytes(digits: Built, nano: Built, tmp_path: Path) -> None:
    content = (nano.bundle / "model_micro.tflite").read_bytes()
    micro = Micro(content)
    run = compiled(content, tmp_path, micro)
    x = micro.quantised(
        load(digits.home / "data", digits.home / "cache", "key", size=(8, 8), channels=1).test.x
    )
    np.testing.assert_array_equal(run(x), micro.raw(x))
    assert json.loads((nano.bundle / "manifest.json").read_text())["microcontroller"]["samples"] == len(x)
