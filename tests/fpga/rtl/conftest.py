"""The engine's Verilog, simulated: `make test-fpga` asks for it by its marker, nothing else runs it."""

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_NEEDED = ("verilator", "iverilog", "make", "g++")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("fpga")
    if "fpga" not in config.option.markexpr:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
    elif ours and (lacking := [name for name in _NEEDED if shutil.which(name) is None]):
        pytest.exit(
            f"not on this machine: {', '.join(lacking)}; `make test-fpga` installs them", returncode=1
        )
