"""FPGA boards whose chips open tools can place and route, as `hardware.fpga.boards` describes them. There is a compiler
for them (docs/fpga.md), and no bundles yet. `ram_bytes` is the chip's block RAM.
"""

from hardware.fpga.boards import BOARDS, Board
from hardware.targets.profiles import Kind, Runtime, Status, Target

_NOT_YET = "Not yet: a compiler is there, bundles for FPGA boards are not."


def _target(board: Board) -> Target:
    block_ram = board.block_rams * board.block_ram_bits // 8
    return Target(
        name=board.name,
        title=board.title,
        kind=Kind.FPGA,
        arch=board.chip.lower(),
        ram_bytes=block_ram,
        ram_free_bytes=block_ram,
        flash_bytes=board.flash_bytes,
        clock_hz=board.clock_hz,
        cores=0,
        status=Status.PLANNED,
        runtime=Runtime(packages=(), pictures=(), note=_NOT_YET),
        variants=(),
    )


FPGA = tuple(_target(board) for board in BOARDS.values())
