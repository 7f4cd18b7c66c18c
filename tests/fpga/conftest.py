"""What needs iverilog or the open FPGA tools has the marker `fpga`: `make test-fpga` asks for it, nothing else does.

Two processes share the tests there, file by file, in the order that stands here.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST = (
    *("test_packaging.py", "test_flow.py", "link/test_host.py", "rtl/test_cells.py", "rtl/test_engine.py"),
    *("test_proof.py", "test_ice40.py", "test_bundle.py", "link/test_classify.py"),
)
"""What takes longest; of files that use the same bitstream or engine the one that makes it stands before the others."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    if "fpga" not in config.option.markexpr:
        left = [item for item in ours if item.get_closest_marker("fpga")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
        return
    places = {HERE / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(FIRST)))
