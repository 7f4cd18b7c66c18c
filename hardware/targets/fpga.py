"""FPGA boards whose chips open tools can place and route, as `hardware.fpga.boards` describes them.

A board is offered once a recorded run (`make fpga-boards`) gave a routed bitstream that met timing:
`hardware.fpga.runs` has them. `ram_bytes` is the chip's block RAM, and what else of RAM it has; `ram_free_bytes` what
the engine there keeps activations in.
"""

from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.engine import WORD
from hardware.fpga.runs import RUNS, offered
from hardware.targets.profiles import Kind, Runtime, Status, Target, Variant

TOOLCHAIN = "FPGA toolchain"
"""The model of the accelerator that stands for a node's tools: where bitstreams are built and proved."""

_HOST = ("numpy", "pyserial")
_ON_THE_DESK = (
    "The bitstream was proved in simulation; nobody has loaded it into a board here. openFPGALoader loads it."
)
_NOT_ROUTED = "Not yet: no run of the tools has been recorded for it (make fpga-boards)."
_NOT_MADE = "Not yet: the tools made no bitstream of its engine. {why}"
_TOO_SLOW = "Not yet: what was routed may run at {fmax:.1f} MHz, and the board's clock is {wanted:.1f} MHz."


def _why_not(board: Board) -> str:
    """Why the board is only planned."""
    run = RUNS.get(board.name)
    if run is None or run.engine != board.engine:
        return _NOT_ROUTED
    if run.report is None:
        return _NOT_MADE.format(why=_sentence(run.failure)).strip()
    return _TOO_SLOW.format(fmax=run.report.fmax_hz / 1e6, wanted=run.report.wanted_hz / 1e6)


def _sentence(text: str) -> str:
    """With a capital, and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _status(board: Board) -> Status:
    if not offered(board.name):
        return Status.PLANNED
    return Status.EXPERIMENTAL if board.experimental else Status.OFFERED


def _target(board: Board) -> Target:
    status = _status(board)
    planned = status is Status.PLANNED
    return Target(
        name=board.name,
        title=board.title,
        kind=Kind.FPGA,
        arch=board.chip.lower(),
        ram_bytes=board.block_rams * board.block_ram_bits // 8 + board.large_ram_bytes,
        ram_free_bytes=board.engine.activation_words * WORD,
        flash_bytes=board.flash_bytes,
        clock_hz=board.clock_hz,
        cores=0,
        status=status,
        runtime=Runtime(
            packages=() if planned else _HOST,
            pictures=() if planned else ("pillow",),
            note=_why_not(board) if planned else _ON_THE_DESK,
        ),
        variants=(Variant.INT8,),
        holds_model=board.holds_nets,
    )


FPGA = tuple(_target(board) for board in BOARDS.values())


def board_of(model: str) -> str:
    """The board that an accelerator of this model is, as a probe or a steward calls it: the target's name or title, or
    its name with spaces ("ULX3S 85F"). Empty for none of them.
    """
    said = model.strip().casefold()
    found = (
        each.name for each in FPGA if said.replace(" ", "-") == each.name or said == each.title.casefold()
    )
    return next(found, "")
