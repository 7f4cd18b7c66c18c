"""The tools of each family of chips, and how they are asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hardware.fpga import tools
from hardware.fpga.boards import Board, Family
from hardware.fpga.tools import Tool


@dataclass(frozen=True, kw_only=True)
class Chip:
    """`synthesis(board)`: yosys' command. `place(board, constraints, routed)`: the router's arguments, `pack(board,
    routed, bitstream)`: the packer's. `resources`: what the router's report calls cells, multipliers, block RAMs.
    """

    router: Tool
    packer: Tool
    ending: str
    synthesis: Callable[[Board], str]
    place: Callable[[Board, str, str], list[str]]
    pack: Callable[[Board, str, str], list[str]]
    resources: dict[str, tuple[str, ...]]

    @property
    def tools(self) -> tuple[Tool, ...]:
        return (tools.YOSYS, self.router, self.packer)

    def used(self, utilization: dict[str, Any]) -> dict[str, int]:
        """Cells, multipliers and block RAMs, from a report's `utilization`."""
        return {
            name: sum(utilization[each]["used"] for each in found if each in utilization)
            for name, found in self.resources.items()
        }


CHIPS = {
    Family.ECP5: Chip(
        router=tools.NEXTPNR_ECP5,
        packer=tools.ECPPACK,
        ending="bit",
        synthesis=lambda _board: "synth_ecp5",
        place=lambda board, constraints, routed: [
            f"--{board.device}", "--package", board.package, "--lpf", constraints, "--textcfg", routed,
        ],
        pack=lambda _board, routed, bitstream: ["--compress", "--input", routed, "--bit", bitstream],
        resources={"cells": ("TRELLIS_COMB",), "multipliers": ("MULT18X18D",), "block_rams": ("DP16KD",)},
    ),
    Family.ICE40: Chip(
        router=tools.NEXTPNR_ICE40,
        packer=tools.ICEPACK,
        ending="bin",
        synthesis=lambda board: f"synth_ice40 -device {'u -spram' if board.large_ram_bytes else 'hx'}",
        place=lambda board, constraints, routed: [
            f"--{board.device}", "--package", board.package, "--pcf", constraints, "--asc", routed,
        ],
        pack=lambda _board, routed, bitstream: [routed, bitstream],
        resources={"cells": ("ICESTORM_LC",), "multipliers": ("ICESTORM_DSP",), "block_rams": ("ICESTORM_RAM",)},
    ),
    Family.GOWIN: Chip(
        router=tools.NEXTPNR_GOWIN,
        packer=tools.GOWIN_PACK,
        ending="fs",
        synthesis=lambda _board: "synth_gowin -family gw2a",
        place=lambda board, constraints, routed: [
            "--device", board.device, "--vopt", f"family={board.package}", "--vopt", f"cst={constraints}",
            "--write", routed,
        ],
        pack=lambda board, routed, bitstream: ["-d", board.package, "-o", bitstream, routed],
        resources={
            "cells": ("LUT4", "ALU"), "multipliers": ("MULT18X18", "MULT9X9"), "block_rams": ("BSRAM",),
        },
    ),
}  # fmt: skip
