"""A bundle's C++ for TensorFlow Lite Micro: compiled for each core, and run on this computer."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.boards.conftest import OTHER_VECTORS
from tests.boards.cores import Core
from tests.boards.tflm_library import Library, library
from tests.export.conftest import Built


@pytest.fixture(scope="session")
def tflm() -> Library:
    return library()


def test_it_compiles_for_the_core_and_asks_for_its_own_operators_alone(
    tflm: Library, core: Core, project: Path
) -> None:
    assert compiled(tflm, core, project) == ["ADD", "CONV_2D", "FULLY_CONNECTED", "MEAN", "MUL", "SOFTMAX"]


def test_activations_of_16_bits_compile_for_the_core(
    tflm: Library, core: Core, wide: Built, tmp_path: Path
) -> None:
    """They run on no emulated core: the plain C has no such kernels, and the library's sources are in no package."""
    asked = compiled(tflm, core, shutil.copytree(wide.bundle, tmp_path / "project"))
    assert asked == sorted(wide.manifest["microcontroller"]["operators"])
    assert {"QUANTIZE", "DEQUANTIZE", "CONV_2D"} < set(asked)


def compiled(tflm: Library, core: Core, project: Path) -> list[str]:
    """The operators that the C++, compiled for a core, asks the library for."""
    flags = f"-mthumb {core.flags} -Wextra -Werror -Wno-unused-parameter"
    parts = ["gristmill_tflm.o", "model_data.o", "selftest_data.o", "gristmill_labels.o", "main.o"]
    done = tflm.built(project, *parts, "CROSS=arm-none-eabi-", f"FLAGS={flags}")
    assert done.returncode == 0, done.stderr
    symbols = subprocess.run(
        ["arm-none-eabi-nm", "-C", project / "gristmill_tflm.o"], capture_output=True, text=True, check=True
    ).stdout
    return sorted(set(re.findall(r"U \S*Register_(\w+)\(", symbols)))


def test_activations_of_16_bits_pass_their_selftest_here(tflm: Library, wide: Built, tmp_path: Path) -> None:
    home = shutil.copytree(wide.bundle, tmp_path / "project")
    done = tflm.built(home, "tflm")
    assert done.returncode == 0, done.stderr
    said = run(tflm, home)
    assert said.splitlines()[-1] == "PASS 32/32", said


def test_it_passes_its_selftest_here(tflm: Library, other: Path, tmp_path: Path) -> None:
    home = shutil.copytree(other, tmp_path / "project")
    done = tflm.built(home, "tflm")
    assert done.returncode == 0, done.stderr
    said = run(tflm, home)
    assert said.splitlines()[-1] == f"PASS {OTHER_VECTORS}/{OTHER_VECTORS}", said


def test_it_says_that_the_arena_is_too_small(tflm: Library, other: Path, tmp_path: Path) -> None:
    home = shutil.copytree(other, tmp_path / "project")
    source = home / "gristmill_tflm.cc"
    source.write_text(re.sub(r"kArenaBytes = \d+", "kArenaBytes = 1024", source.read_text()))
    assert tflm.built(home, "tflm").returncode == 0
    assert run(tflm, home).splitlines()[-1].startswith(f"FAIL 0/{OTHER_VECTORS}: the model does not start")


def run(tflm: Library, home: Path) -> str:
    where = {**os.environ, "LD_LIBRARY_PATH": str(tflm.here.parent)}
    return subprocess.run(
        [home / "selftest_tflm.elf"], capture_output=True, text=True, check=False, env=where, timeout=60
    ).stdout
