"""A bundle's example, and its folder as a library: of the Arduino IDE, of CMake, as a component of ESP-IDF."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from jobs.engine.export.microcontroller.tflm import Micro
from tests.boards.test_readme import M4F, compiled, listed, taken
from tests.boards.tflm_library import Library, library
from tests.export.conftest import Built

# What the Arduino IDE makes of a sketch: C++ beside the library's sources, and a main of its own.
SKETCH = """\
#include <stdio.h>
#include <gristmill.h>
int main() {
  static gristmill_in input[GRISTMILL_INPUTS];
  static gristmill_out output[GRISTMILL_OUTPUTS];
  for (int i = 0; i < GRISTMILL_INPUTS; ++i) input[i] = gristmill_quantised(128);
  if (gristmill_begin() != 0 || gristmill_run(input, output) != 0) return 1;
  int best = 0;
  for (int i = 1; i < GRISTMILL_OUTPUTS; ++i)
    if (output[i] > output[best]) best = i;
  printf("%s: %ld of 1000\\n", gristmill_labels[best], (long)(1000 * gristmill_score(output[best])));
  return 0;
}
"""
# ESP-IDF looks at components in CMake's script mode, in which nothing is compiled.
IDF = """\
set(ESP_PLATFORM 1)
function(idf_component_register)
  message(STATUS "registered ${ARGN}")
endfunction()
function(target_compile_definitions)
  message(STATUS "defined ${ARGN}")
endfunction()
include(CMakeLists.txt)
"""


@pytest.fixture(scope="session")
def tflm() -> Library:
    return library()


def grey(built: Built) -> str:
    """What the example says of a grey picture, by the portal's own interpreter."""
    micro = Micro((built.bundle / "model_micro.tflite").read_bytes())
    raw = micro.raw(micro.quantised(np.full((1, 8, 8, 1), 128.0)))
    best = int(raw[0].argmax())
    score = np.float32(1000) * micro.real(raw)[0, best]
    return f"{built.manifest['labels'][best]}: {int(score)} of 1000\n"


def test_it_prints_a_label(bundle: Built, tmp_path: Path) -> None:
    names = [*listed(bundle.bundle, "Plain C"), "example.c"]
    folder = taken(bundle.bundle, names, tmp_path / "example")
    program = compiled(M4F, folder, "-Wall", "-Wextra", "-Werror")
    assert M4F.run(program).stdout == grey(bundle)


def test_the_makefile_makes_it_here(bundle: Built, project: Path) -> None:
    done = subprocess.run(
        ["make", "-C", str(project), "example", "FLAGS=-Wextra -Werror -pedantic"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert subprocess.run([project / "example.elf"], capture_output=True, text=True).stdout == grey(bundle)


def test_a_table_prints_a_label_too(table: Built, tmp_path: Path) -> None:
    folder = taken(table.bundle, [*listed(table.bundle, "Plain C"), "example.c"], tmp_path / "example")
    said = M4F.run(compiled(M4F, folder)).stdout
    assert said.split(":")[0] in table.manifest["labels"]
    assert said.endswith(" of 1000\n")


def test_the_whole_folder_is_an_arduino_library(bundle: Built, tmp_path: Path) -> None:
    """Every source in it is compiled there, beside a sketch that has the main function."""
    folder = shutil.copytree(bundle.bundle, tmp_path / "library")
    (folder / "sketch.cpp").write_text(SKETCH)
    assert M4F.run(compiled(M4F, folder, "-DARDUINO=10819")).stdout == grey(bundle)
    said = dict(line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines())
    assert {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "architectures",
    } < set(said)
    assert (folder / said["includes"]).is_file()


def configured(folder: Path, build: Path, *more: str) -> Path:
    for argv in (["cmake", "-S", folder, "-B", build, *more], ["cmake", "--build", build]):
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "example"


def test_cmake_builds_plain_c(bundle: Built, tmp_path: Path) -> None:
    example = configured(bundle.bundle, tmp_path / "build")
    assert subprocess.run([example], capture_output=True, text=True).stdout == grey(bundle)


def test_cmake_builds_tensorflow_lite_micro(tflm: Library, wide: Built, tmp_path: Path) -> None:
    """A bundle without plain C. The library's fork rounds otherwise here and there: the label is the same."""
    more = (f"-DGRISTMILL_LIBRARY={tflm.here}", f"-DCMAKE_CXX_FLAGS={tflm.flags}")
    example = configured(wide.bundle, tmp_path / "build", *more)
    where = {**os.environ, "LD_LIBRARY_PATH": str(tflm.here.parent)}
    said = subprocess.run([example], capture_output=True, text=True, env=where).stdout
    assert said.split(": ")[0] == grey(wide).split(": ")[0]


@pytest.mark.parametrize("way", [0, 1])
def test_esp_idf_finds_a_component(way: int, bundle: Built, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle.bundle, tmp_path / "gristmill")
    (folder / "idf.cmake").write_text(f"set(GRISTMILL_TFLM {way})\n{IDF}")
    done = subprocess.run(
        ["cmake", "-P", "idf.cmake"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    registered, defined = (line.split(" ", 2)[2] for line in done.stdout.splitlines())
    sources = registered.split(";INCLUDE_DIRS;.;PRIV_REQUIRES")[0].split(";")
    named = set(listed(folder, ["Plain C", "TensorFlow Lite Micro"][way]))
    assert sources[0] == "SRCS"
    assert set(sources[1:]) == {name for name in named if not name.endswith(".h")}
    assert defined.endswith(f"GRISTMILL_TFLM={way}")
