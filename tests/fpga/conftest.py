"""What needs iverilog or the open FPGA tools has the marker `fpga`: `make test-fpga` asks for it, nothing else does."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "fpga" in config.option.markexpr:
        return
    ours = [item for item in items if HERE in item.path.parents and item.get_closest_marker("fpga")]
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]
