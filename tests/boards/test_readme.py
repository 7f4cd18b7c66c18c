"""What a bundle's README.md says of the board: the files that it lists for each way, and the lines that it shows."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.boards.cores import CORES, Core
from tests.boards.tflm_library import Library, library
from tests.export.conftest import Built

M4F = next(core for core in CORES if core.name == "cortex-m4f")
# As the tools of boards have them: what nobody calls is not linked, and C++ throws nothing.
FLAGS = (
    "-Os -ffunction-sections -fdata-sections -Wl,--gc-sections -fno-exceptions -fno-unwind-tables "
    "-fno-asynchronous-unwind-tables"
)
PASS = "furthest off: 0 millionths\nPASS 32/32\n"


@pytest.fixture(scope="session")
def tflm() -> Library:
    return library()


def listed(bundle: Path, way: str) -> list[str]:
    """The files that README.md names after "take" in the paragraph that begins with a way's name."""
    text = (bundle / "README.md").read_text()
    paragraph = text[text.index(f"**{way}**") :].split("\n\n")[0]
    found = re.search(r"take ((?:`[\w.]+`(?:, |,\n| and |\nand )?)+)", paragraph)
    assert found, paragraph
    return re.findall(r"`([\w.]+)`", found[1])


def selftest(bundle: Path) -> list[str]:
    text = (bundle / "README.md").read_text()
    return re.findall(r"`([\w.]+)`", text[text.index("**The self-test**") :].split("is a program")[0])


def taken(bundle: Path, names: list[str], folder: Path) -> Path:
    """These files of a bundle alone."""
    folder.mkdir()
    for name in names:
        shutil.copyfile(bundle / name, folder / name)
    return folder


def compiled(core: Core, folder: Path, *flags: str) -> Path:
    """All of a folder's sources in one program for a core."""
    sources = sorted(str(path) for path in folder.iterdir() if path.suffix in {".c", ".cc", ".cpp"})
    argv = ["arm-none-eabi-gcc", "-mthumb", *core.flags.split(), *FLAGS.split(), *flags, f"-I{folder}"]
    program = folder / "program.elf"
    done = subprocess.run(
        [*argv, *sources, *shlex.split(core.linked(folder)), "-lm", "-o", program],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


def test_the_files_of_plain_c_are_enough(bundle: Built, tmp_path: Path) -> None:
    names = listed(bundle.bundle, "Plain C")
    assert names == ["gristmill_plain.c", "kernels.h", "gristmill.h", "gristmill_labels.c"]
    folder = taken(bundle.bundle, [*names, *selftest(bundle.bundle)], tmp_path / "plain")
    assert M4F.run(compiled(M4F, folder)).stdout == PASS


def test_a_table_lists_its_kernels_of_floats_too(table: Built, tmp_path: Path) -> None:
    names = listed(table.bundle, "Plain C")
    assert "kernels_float.h" in names
    folder = taken(table.bundle, [*names, *selftest(table.bundle)], tmp_path / "plain")
    assert M4F.run(compiled(M4F, folder)).stdout == PASS


def test_the_files_of_tensorflow_lite_micro_are_enough(tflm: Library, wide: Built, tmp_path: Path) -> None:
    """Linked on this computer, where the library is: of a net that its fork computes alike."""
    names = listed(wide.bundle, "TensorFlow Lite Micro")
    parts = [*names, *selftest(wide.bundle), "Makefile"]
    folder = taken(wide.bundle, parts, tmp_path / "tflm")
    done = tflm.built(folder, "tflm")
    assert done.returncode == 0, done.stderr


def test_the_files_of_both_ways_stand_beside_each_other(bundle: Built, tmp_path: Path) -> None:
    """As in a sketch's folder, where every source is compiled: plain C runs, and nothing is defined twice."""
    names = {*listed(bundle.bundle, "Plain C"), *listed(bundle.bundle, "TensorFlow Lite Micro")}
    folder = taken(bundle.bundle, [*sorted(names), *selftest(bundle.bundle)], tmp_path / "both")
    program = compiled(M4F, folder)
    assert M4F.run(program).stdout == PASS


def test_plain_c_gives_way_where_the_other_is_asked_for(tflm: Library, bundle: Built, tmp_path: Path) -> None:
    """Linked on this computer, where the library is."""
    names = {*listed(bundle.bundle, "Plain C"), *listed(bundle.bundle, "TensorFlow Lite Micro")}
    folder = taken(bundle.bundle, [*sorted(names), *selftest(bundle.bundle)], tmp_path / "both")
    sources = sorted(path for path in folder.iterdir() if path.suffix in {".c", ".cc"})
    argv = ["gcc", "-Os", "-DGRISTMILL_TFLM=1", *shlex.split(tflm.flags), f"-I{folder}", *sources, tflm.here]
    done = subprocess.run(
        [*argv, "-lstdc++", "-lm", "-o", folder / "program"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["plain", "tflm"])
def test_its_lines_compile_for_the_boards_core(
    target: str, tflm: Library, bundle: Built, project: Path
) -> None:
    """The variables that it shows with `make`, but for the linking of a library that is no package."""
    text = (bundle.bundle / "README.md").read_text()
    line = next(line for line in text.splitlines() if re.match(rf"    make {target} .*CROSS", line))
    shown = [word for word in shlex.split(line.replace("$(", "(")) if re.match("CROSS|FLAGS|LINK", word)]
    assert len(shown) == 3
    if target == "plain":
        argv = ["make", "-C", str(project), "plain", *shown]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        made = project / "selftest_plain.elf"
    else:
        done = tflm.built(project, "gristmill_tflm.o", *shown)
        made = project / "gristmill_tflm.o"
    assert done.returncode == 0, done.stderr
    argv = ["arm-none-eabi-readelf", "-hA", str(made)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert re.search(r"Machine:\s+ARM", said)
    assert "Tag_ABI_VFP_args: VFP registers" in said
