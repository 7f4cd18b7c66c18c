"""What needs iverilog or the open FPGA tools has the marker `fpga`: `make test-fpga` asks for it, nothing else does.

Two processes share the tests there, file by file, in the order that stands here.
"""

import contextlib
from pathlib import Path

import pytest

from hardware.fpga import tools
from hardware.fpga.tools import Limits, ToolError
from tests.fpga.kept import alone

HERE = Path(__file__).parent
FIRST = (
    *("test_packaging.py", "test_flow.py", "link/test_host.py", "rtl/test_cells.py", "rtl/test_engine.py"),
    *("test_proof.py", "test_ice40.py", "test_bundle.py", "link/test_classify.py"),
)
"""What takes longest; of files that use the same bitstream or engine the one that makes it stands before the others."""
COMPILED = (tools.YOSYS, tools.NEXTPNR_ECP5, tools.ECPPACK, tools.NEXTPNR_ICE40, tools.ICEPACK)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    if "fpga" not in config.option.markexpr:
        left = [item for item in ours if item.get_closest_marker("fpga")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
        return
    places = {HERE / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(FIRST)))


@pytest.fixture(scope="session", autouse=True)
def compiled_tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """YoWASP compiles each of its tools when it first runs: two processes would do so at once, into one file."""
    if "fpga" not in request.config.option.markexpr:
        return
    folder = tmp_path_factory.mktemp("tools")
    with alone("tools"):
        for tool in COMPILED:
            with contextlib.suppress(
                ToolError
            ):  # each says what it can do, and ends with a status of its own
                tools.run(tool, ["--help"], folder=folder, log=folder / "tools.log", limits=Limits())
