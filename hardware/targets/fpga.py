"""FPGA boards whose chips open tools can place and route. Nothing is built for them yet.

Sources: Lattice's ECP5 family data sheet FPGA-DS-02012 (LFE5U-85F: 84 k LUTs, 208 block RAMs of 18 Kbit, 156
multipliers) and the ULX3S manual (25 MHz, at least 4 MB of flash); Lattice's iCE40 LP/HX family data sheet
FPGA-DS-02029 (HX8K: 7,680 logic cells, 32 block RAMs of 4 Kbit) and the iCE40-HX8K Breakout Board user guide EB85
(12 MHz, 32 Mbit of flash). `ram_bytes` is the chip's block RAM.
"""

from hardware.targets.profiles import MIB, Kind, Runtime, Status, Target

_NOT_YET = "Not yet: Gristmill makes no bitstreams so far."
_KBIT = 1024 // 8


def _board(name: str, title: str, *, arch: str, block_ram: int, flash: int, clock_hz: int) -> Target:
    return Target(
        name=name,
        title=title,
        kind=Kind.FPGA,
        arch=arch,
        ram_bytes=block_ram,
        ram_free_bytes=block_ram,
        flash_bytes=flash,
        clock_hz=clock_hz,
        cores=0,
        status=Status.PLANNED,
        runtime=Runtime(packages=(), pictures=(), note=_NOT_YET),
        variants=(),
    )


FPGA = (
    _board(
        "ulx3s-85f",
        "ULX3S (Lattice ECP5 85F)",
        arch="ecp5-85f",
        block_ram=208 * 18 * _KBIT,
        flash=4 * MIB,
        clock_hz=25_000_000,
    ),
    _board(
        "ice40-hx8k",
        "iCE40-HX8K Breakout Board",
        arch="ice40-hx8k",
        block_ram=32 * 4 * _KBIT,
        flash=4 * MIB,
        clock_hz=12_000_000,
    ),
)
