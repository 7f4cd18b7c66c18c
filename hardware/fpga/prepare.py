"""`python -m hardware.fpga.prepare FOLDER [BOARD...]`: each board's engine made ahead, for a node that builds.

An engine serves every net that fits it. So what is made here (a bitstream, and the programs that simulate its Verilog
and its netlist) is what a proof would make first, in minutes, and then takes from FOLDER in none. The folder is such a
cache as `proof.prove` has; proofs read it, and write none of it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hardware.fpga import simulator
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.flow import FlowError, Progress, Report, build
from hardware.fpga.runs import offered
from hardware.fpga.shell import circuit
from hardware.fpga.simulation import netlist
from hardware.fpga.tools import Limits
from hardware.fpga.verilator import SimulationError

BITSTREAMS, SIMULATIONS = "bitstreams", "simulations"
"""The folders in a cache, as `proof.prove` calls them."""
LIMITS = Limits(seconds=1800)


def prepare(folder: Path, board: Board, progress: Progress) -> Report:
    """A board's engine, from `folder` or put there. FlowError, SimulationError; LookupError where a tool is not
    installed.
    """
    simulations = folder / SIMULATIONS
    with tempfile.TemporaryDirectory() as scratch:
        built = build(
            circuit(board),
            board,
            folder=Path(scratch),
            cache=folder / BITSTREAMS,
            limits=LIMITS,
            progress=progress,
        )
        progress("rtl", "Verilator")
        simulator.build(board.engine, simulations, limits=LIMITS)
        progress("netlist", "Verilator")
        netlist.build(built.netlist, board, simulations, limits=LIMITS)
    return built.report


def lend(prepared: Path, cache: Path) -> None:
    """What lies in one cache appears in the other, as links: for who may read the first and writes the second."""
    for name in (BITSTREAMS, SIMULATIONS):
        (cache / name).mkdir(parents=True, exist_ok=True)
        for place in (each for each in (cache / name).iterdir() if each.is_symlink()):
            place.unlink()  # what was prepared then may be gone
        for entry in sorted((prepared / name).glob("[!.]*")):
            if not (cache / name / entry.name).exists():
                (cache / name / entry.name).symlink_to(entry)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when each board has a bitstream that allows its clock."""
    parser = argparse.ArgumentParser(prog="python -m hardware.fpga.prepare", description=__doc__)
    parser.add_argument("folder", type=Path, help="GRISTMILL_HOME/node/shelf/bitstreams of the node")
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="default: all that are offered")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.boards if name not in BOARDS]:
        parser.error(f"there is no board {unknown[0]}: {', '.join(BOARDS)}")
    asked.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen = asked.boards or [name for name in BOARDS if offered(name)]
    made = [_made(asked.folder, BOARDS[name]) for name in chosen]
    return 0 if all(made) else 1


def _made(folder: Path, board: Board) -> bool:
    """Whether the board is ready; says so."""
    try:
        report = prepare(folder, board, _tell)
    except (FlowError, SimulationError) as error:
        _tell("not made", f"{board.title}: {error}")
        return False
    _tell("made", f"{board.title}: {report.fmax_hz / 1e6:.1f} MHz, {report.wanted_hz / 1e6:g} MHz needed")
    return report.met


def _tell(stage: str, detail: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage}: {detail}\n")


if __name__ == "__main__":
    sys.exit(main())
