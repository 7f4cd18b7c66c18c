"""Bundles for microcontrollers, to compile and run on emulated cores."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.targets.litert.file import read
from hardware.targets.profiles import Kernels
from hardware.targets.registry import TARGETS
from jobs.engine.export.graph import inspect
from jobs.engine.export.microcontroller import plain_c
from jobs.engine.export.microcontroller.fit import reserved_arena
from jobs.engine.export.microcontroller.project import Vectors, write_model, write_plain, write_tflm
from jobs.engine.export.microcontroller.scratch import beyond
from jobs.engine.export.microcontroller.tflm import Micro
from jobs.engine.export.selftest import INT8_STEPS
from tests.boards.cores import CORES, Core, missing
from tests.export.conftest import Built, digits, farm_classes  # noqa: F401 - fixtures
from tests.export.test_microcontrollers import as_int8, value, zoo
from tests.export.test_refusals import rebuilt, with_a_loud_neighbour

HERE = Path(__file__).parent
OTHER_VECTORS, CANDIDATES = 40, 400


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They need a cross compiler and QEMU: `make test-micro` asks for them by their marker, nothing else runs them."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("boards")
    if "boards" not in config.option.markexpr:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def bundle(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:  # noqa: F811
    """Of the digits, for a board with a Cortex-M4F."""
    if lacking := missing():
        pytest.exit(
            f"not on this machine: {', '.join(lacking)}; `make test-micro` installs them",
            returncode=1,
        )
    return rebuilt(digits, tmp_path_factory.mktemp("nano"), TARGETS["arduino-nano-33-ble-sense"])


@pytest.fixture(scope="session")
def table(farm_classes: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:  # noqa: F811
    """Of a table's classes, for the same board."""
    return rebuilt(farm_classes, tmp_path_factory.mktemp("table"), TARGETS["arduino-nano-33-ble-sense"])


@pytest.fixture(scope="session")
def wide(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:  # noqa: F811
    """Of the digits beside a loud value, for the same board: int8 loses so much that it gets activations of 16 bits."""
    home = tmp_path_factory.mktemp("wide")
    model = with_a_loud_neighbour(digits, home / "model.keras", 1 / 16)
    made = rebuilt(digits, home, TARGETS["arduino-nano-33-ble-sense"], model=model)
    assert made.manifest["variants"]["int8"]["remedy"]["applied"] == "wide"
    return made


def leads(outputs: NDArray[np.int8]) -> NDArray[np.int32]:
    """By how many steps the largest of each row's outputs is above the next; more than any for a single output."""
    if outputs.shape[1] == 1:
        return np.full(len(outputs), 256, np.int32)
    ranked = np.sort(outputs.astype(np.int32), axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2])


@pytest.fixture(params=CORES, ids=str)
def core(request: pytest.FixtureRequest) -> Core:
    return request.param


@pytest.fixture
def project(bundle: Built, tmp_path: Path) -> Path:
    """The bundle's folder, copied: what is compiled stays out of it."""
    return shutil.copytree(bundle.bundle, tmp_path / "project")


@pytest.fixture(scope="session", params=[zoo, value], ids=["zoo", "value"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a net that the recipes do not make, with random inputs."""
    import keras

    folder = tmp_path_factory.mktemp("other")
    keras.utils.set_random_seed(5)
    content = as_int8(request.param(), folder)
    micro = Micro(content)
    x = np.random.default_rng(2).integers(-128, 128, (CANDIDATES, 17, 13, 3)).astype(np.int8)
    # The dense layers of the fork that the C++ is run with round otherwise: as vectors of a bundle, these are clear.
    clear = x[leads(micro.raw(x)) > 2 * INT8_STEPS][:OTHER_VECTORS]
    write_model(folder, content, micro, (), Vectors(clear, micro.raw(clear), INT8_STEPS))
    arena = reserved_arena(micro.arena_bytes(), beyond(read(content), Kernels.CMSIS_NN))
    write_tflm(folder, inspect(content).operators, arena)
    write_plain(folder, plain_c.write(content))
    return folder
