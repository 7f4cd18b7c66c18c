"""The C of a bundle on emulated Cortex-M cores: it answers what the portal answered, and notices what is not right."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from jobs.engine.data import load
from jobs.engine.export.microcontroller.packaging import EMULATED
from jobs.engine.export.microcontroller.project import Vectors, write_model
from jobs.engine.export.microcontroller.tflm import Micro
from tests.boards.cores import CORES, Core
from tests.export.conftest import Built


def test_the_selftest_passes_to_the_bit(core: Core, project: Path) -> None:
    done = core.run(core.built(project))
    assert (done.returncode, done.stdout) == (0, "furthest off: 0 millionths\nPASS 32/32\n"), done.stderr


def test_the_whole_test_split_is_answered_as_the_portal_did(core: Core, bundle: Built, project: Path) -> None:
    """Every test sample as a self-test vector: the answers are those whose accuracy the manifest states."""
    micro = Micro((project / "model_micro.tflite").read_bytes())
    arrays = load(Path(bundle.task["data"]), Path(bundle.task["cache"]), "key", size=(8, 8), channels=1)
    x = micro.quantised(arrays.test.x)
    outputs = micro.raw(x)
    right = float((outputs.argmax(axis=1) == arrays.test.y).mean())
    assert right == pytest.approx(bundle.manifest["microcontroller"]["accuracy"], abs=1e-4)
    write_model(
        project, (project / "model_micro.tflite").read_bytes(), micro, arrays.labels, Vectors(x, outputs, 0.0)
    )
    done = core.run(core.built(project))
    assert done.stdout.splitlines()[-1] == f"PASS {len(x)}/{len(x)}", done.stdout[-500:]


def test_a_table_to_the_bit(core: Core, table: Built, tmp_path: Path) -> None:
    """Floats go in, some of them NaN, and come out; the layers between are int8."""
    done = core.run(core.built(shutil.copytree(table.bundle, tmp_path / "project")))
    assert (done.returncode, done.stdout) == (0, "furthest off: 0 millionths\nPASS 32/32\n"), done.stderr


def test_other_nets_to_the_bit(core: Core, other: Path, tmp_path: Path) -> None:
    done = core.run(core.built(shutil.copytree(other, tmp_path / "project")))
    assert done.stdout == "furthest off: 0 millionths\nPASS 40/40\n"


def test_a_wrong_answer_is_noticed(project: Path) -> None:
    path = project / "selftest_data.c"
    first, outputs = path.read_text().split("gristmill_vector_outputs[] = {\n")
    value, rest = outputs.split(",", maxsplit=1)
    path.write_text(f"{first}gristmill_vector_outputs[] = {{\n {(int(value) + 139) % 256 - 128},{rest}")
    done = CORES[0].run(CORES[0].built(project))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "FAIL 31/32"


def test_the_program_fits_the_board_and_the_allowance(core: Core, bundle: Built, project: Path) -> None:
    """Flash and memory of the linked self-test, without its vectors, against what the manifest counts with."""
    about = bundle.manifest["microcontroller"]
    program = core.built(project)
    sizes = subprocess.run(["arm-none-eabi-size", program], capture_output=True, text=True, check=True)
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    assert text + data < about["flash_bytes"]
    assert data + bss < about["arena_bytes"] + 16 * 1024


def test_the_boards_whose_core_is_emulated_are_those_that_say_so() -> None:
    ours = {core.name.rstrip("f") for core in CORES}
    assert set(EMULATED) == ours
    boards = {
        name for name, each in TARGETS.items() if each.kind is Kind.MICROCONTROLLER and each.core in ours
    }
    assert boards == {"arduino-nano-33-ble-sense", "raspberry-pi-pico-2", "stm32f746"}
