"""FPGA boards on USB, by the ids and product strings of boards that are known.

Ids and strings: definitions/boards.jsonc of FPGAwars/apio-definitions (iCEBreaker, iCE40-HX8K, ULX3S); of the
ULX3S and the Sipeed boards the strings as Linux and openFPGALoader report them ("ULX3S FPGA 85K v3.0.8", "JTAG
Debugger" of "SIPEED"). The ids alone are FTDI's, on thousands of other things; a board whose chip still says what
FTDI wrote on it ("Dual RS232-HS") can't be told from a plain adapter and has to be added by a steward.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.nodes.probe.facts import Accelerator
from hardware.nodes.probe.files import text

FTDI = "0403"


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


def boards(root: Path = Path("/")) -> list[Accelerator]:
    """The known boards, alike ones by serial number, so that they keep their order when replugged."""
    found = sorted(_found(root / "sys/bus/usb/devices"), key=lambda each: (each[0].title, *each[1:]))
    return [
        Accelerator("fpga", index, board.title, 0, uuid=serial, details={"chip": board.chip, "usb": place})
        for index, (board, serial, place) in enumerate(found)
    ]


def _found(bus: Path) -> Iterator[tuple[Board, str, str]]:
    for place in bus.glob("*"):
        if board := _board(place):
            yield board, text(place / "serial"), place.name


def _board(place: Path) -> Board | None:
    ids = text(place / "idVendor").lower(), text(place / "idProduct").lower()
    says = f"{text(place / 'manufacturer')} {text(place / 'product')}"
    return next(
        (each for each in BOARDS if (each.vendor, each.product) == ids and each.says.search(says)), None
    )
