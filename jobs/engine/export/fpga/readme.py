"""The first section of an FPGA bundle's README.md: for whoever has the board on the desk."""

from typing import Any

from hardware.fpga.boards import BAUD, BOARDS, Board
from hardware.targets.profiles import Target

_BITS_A_BYTE = 10  # on the serial line
_CONTAINED = """\
`{file}` is the same circuit with this model in its block RAM: `python3 host.py --program --contained` programs it, and
then nothing has to be loaded.

"""
_PICTURES = """\
    python3 host.py picture.jpg        # the label, and how sure the model is; or a folder
    python3 host.py --json *.jpg       # one JSON object a line, as run.py gives it
    python3 host.py --watch ~/new      # answers each picture that appears there, once"""
_TABLES = """\
    python3 host.py table.csv          # one line a row; or a folder
    python3 host.py --json table.csv   # one JSON object a line, as run.py gives it
    python3 host.py --watch ~/new      # answers each table that appears there, once"""


def readme(about: dict[str, Any], target: Target, *, pictures: bool) -> str:
    """Markdown; `about` is the manifest's `fpga`. No name that a member gave stands in it."""
    board, stream = BOARDS[target.name], about["bitstream"]
    packages = f"python3-serial python3-numpy{' python3-pil' if pictures else ''}"
    contained = _CONTAINED.format(file=about["contained_bitstream"]) if about["contained"] else ""
    return f"""\
## On the board

Plug the board in by USB. Then, in this folder:

    sudo apt-get install -y openfpgaloader {packages}
    python3 host.py --program          # the circuit ({stream}) into the chip
    python3 host.py --selftest         # loads the model; ends with PASS when the board computes what was proved
{_PICTURES if pictures else _TABLES}
    python3 host.py --benchmark        # milliseconds of an answer, with the serial line and without

`--port /dev/ttyUSB0` names the port where there are several; `--loaded` leaves the model in the board that is there;
`--identify` says which circuit the board has. {_line(about)}
What is in the chip is lost with its power; `openFPGALoader -b {board.loader} -f {stream}` writes the circuit into the
board's flash.

{contained}**The circuit** is the same for every model of this board: {_engine(about, board)}

**To make it anew**: `*.v` is all of its Verilog, `board.v` the outermost module; `{about["constraints"]}` says which
pin is which.

    python3 -m pip install -r requirements-rebuild.txt
    python3 rebuild.py                 # the same calls of the same tools: says whether the bytes are the same

**What was tried**: {about["proof"]} openFPGALoader was not run either. The energy in `fpga.html` is an estimate.

The rest of this file is about the same model on a computer with Python, to compare with. `run.py` needs LiteRT for that
(`python3 -m pip install ai-edge-litert`), the board does not.
"""


def _line(about: dict[str, Any]) -> str:
    """How long loading takes the line, reckoned."""
    seconds = about["model_bytes"] * _BITS_A_BYTE / BAUD
    return f"Loading takes the serial line about {max(seconds, 0.1):.1f} s."


def _engine(about: dict[str, Any], board: Board) -> str:
    report = about["report"]
    return (
        f"an engine of {about['engine']['lanes']} lanes, whose program\nand weights `host.py` loads (`image.bin`; "
        f"`image.json` says what lies in it). It takes {report['cells']:,} of\n{board.cells:,} cells, "
        f"{report['multipliers']} of {board.multipliers} multipliers and {report['block_rams']} of {board.block_rams} "
        f"block RAMs of the {board.chip}. An answer takes it\n{about['cycles']:,} cycles, "
        f"{about['seconds'] * 1000:.3g} ms at {about['clock_hz'] / 1e6:g} MHz (the routing allows "
        f"{report['fmax_hz'] / 1e6:.1f} MHz). `fpga.html` has all\nof it in pictures, `fpga.json` for programs."
    )
