"""FPGA boards: chip, pins, and how large an engine each gets. Facts, no behaviour.

Chips: Lattice's ECP5 family data sheet FPGA-DS-02012 (LUTs, multipliers of 18 × 18, block RAMs of 18 Kbit; open tools
give a 12F what the die of the 25F has, the data sheet's figures stand here), iCE40 UltraPlus family data sheet
FPGA-DS-02008 and iCE40 LP/HX family data sheet FPGA-DS-02029 (logic cells, multipliers of 16 × 16, block RAMs of
4 Kbit), Gowin's GW2AR series data sheet DS226.

Pins and clocks, from the files that the boards' makers or the tools' authors publish:
- ULX3S: doc/constraints/ulx3s_v20.lpf of emard/ulx3s, for versions 2 and 3. `ftdi_rxd` there is what the FPGA sends;
  `wifi_gpio0`, low, would let the board's ESP32 take over;
- iCEBreaker: icebreaker/icebreaker.pcf of icebreaker-fpga/icebreaker-verilog-examples;
- iCE40-HX8K breakout: examples/hx8kboard/hx8kboard.pcf of YosysHQ/icestorm (clock, LEDs) and
  amaranth_boards/ice40_hx8k_b_evn.py of amaranth-lang/amaranth-boards (serial line);
- Tang Nano 20K: uart/src/top.cst and led/blink_led/src/blink_led.cst of sipeed/TangNano-20K-example.

Flash: the ULX3S manual (at least 4 MB), the iCEBreaker's documentation (16 MB), Lattice's EB85 for the iCE40-HX8K
breakout (32 Mbit), Sipeed's wiki for the Tang Nano 20K (64 Mbit).
"""

from dataclasses import dataclass
from enum import StrEnum

from hardware.fpga.engine import Engine

BAUD = 1_000_000
"""Bits a second on the serial line of each board: a whole number of cycles of each of their clocks."""


class Family(StrEnum):
    """Chips that the same tools serve."""

    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"


@dataclass(frozen=True, kw_only=True)
class Pins:
    """Where the chip is connected, as its tools name the places. `rx` is what the chip reads; the LED is lit by a low
    level where `led_low`; `high` has to be held high, where it is not empty. `clock_of_pll`: the clock's pin is a PLL's
    own.
    """

    clock: str
    rx: str
    tx: str
    led: str
    led_low: bool = False
    high: str = ""
    clock_of_pll: bool = False


@dataclass(frozen=True, kw_only=True)
class Board:
    """`device` and `package` as the place-and-route tool names them, `loader` as openFPGALoader names the board.
    `clock_hz` is the oscillator's, `core_hz` what the engine runs at: more where a PLL makes it. `capacity_bits`: a
    frame on the serial line holds up to 2^capacity_bits bytes of data. `large_ram_bytes`: in memories of one port, that
    begin with nothing and hold the weights.
    """

    name: str
    title: str
    family: Family
    chip: str
    device: str
    package: str
    loader: str
    clock_hz: int
    core_hz: int
    pins: Pins
    cells: int
    multipliers: int
    block_rams: int
    block_ram_bits: int
    flash_bytes: int
    engine: Engine
    large_ram_bytes: int = 0
    capacity_bits: int = 11
    experimental: bool = False

    @property
    def divisor(self) -> int:
        """Cycles of the engine's clock a bit on the serial line."""
        return self.core_hz // BAUD

    @property
    def holds_nets(self) -> bool:
        """Whether all of the engine's memories can begin with a net."""
        return not self.large_ram_bytes

    @property
    def faster(self) -> bool:
        """Whether a PLL makes the engine's clock of the oscillator's."""
        return self.core_hz != self.clock_hz


MIB = 1024**2
_MHZ = 1_000_000
_ULX3S_PINS = Pins(clock="G2", rx="M1", tx="L4", led="B2", high="L2")


def _ulx3s(size: int, *, cells: int, multipliers: int, block_rams: int, engine: Engine) -> Board:
    return Board(
        name=f"ulx3s-{size}f",
        title=f"ULX3S (Lattice ECP5 {size}F)",
        family=Family.ECP5,
        chip=f"LFE5U-{size}F",
        device=f"{size}k",
        package="CABGA381",
        loader="ulx3s",
        clock_hz=25 * _MHZ,
        core_hz=75 * _MHZ,
        pins=_ULX3S_PINS,
        cells=cells,
        multipliers=multipliers,
        block_rams=block_rams,
        block_ram_bits=18 * 1024,
        flash_bytes=4 * MIB,
        engine=engine,
    )


_ALL = (
    _ulx3s(
        85,
        cells=84_000,
        multipliers=156,
        block_rams=208,
        engine=Engine(
            lanes=128,
            program_words=512,
            weight_words=2048,
            constant_words=1024,
            table_words=2048,
            activation_words=8192,
        ),
    ),
    _ulx3s(
        45,
        cells=44_000,
        multipliers=72,
        block_rams=108,
        engine=Engine(
            lanes=64,
            program_words=512,
            weight_words=2048,
            constant_words=1024,
            table_words=2048,
            activation_words=4096,
        ),
    ),
    _ulx3s(
        25,
        cells=24_000,
        multipliers=28,
        block_rams=56,
        engine=Engine(
            lanes=16,
            program_words=512,
            weight_words=4096,
            constant_words=512,
            table_words=1024,
            activation_words=2048,
        ),
    ),
    _ulx3s(
        12,
        cells=12_000,
        multipliers=28,
        block_rams=32,
        engine=Engine(
            lanes=16,
            program_words=512,
            weight_words=2048,
            constant_words=512,
            table_words=512,
            activation_words=2048,
        ),
    ),
    Board(
        name="icebreaker",
        title="iCEBreaker (Lattice iCE40 UP5K)",
        family=Family.ICE40,
        chip="iCE40UP5K",
        device="up5k",
        package="sg48",
        loader="ice40_generic",
        clock_hz=12 * _MHZ,
        core_hz=18 * _MHZ,
        pins=Pins(clock="35", rx="6", tx="9", led="37", led_low=True, clock_of_pll=True),
        cells=5280,
        multipliers=8,
        block_rams=30,
        block_ram_bits=4 * 1024,
        flash_bytes=16 * MIB,
        large_ram_bytes=128 * 1024,
        engine=Engine(
            lanes=8,
            program_words=256,
            weight_words=16_384,
            constant_words=256,
            table_words=256,
            activation_words=1024,
        ),
        capacity_bits=9,
    ),
    Board(
        name="ice40-hx8k",
        title="iCE40-HX8K Breakout Board",
        family=Family.ICE40,
        chip="iCE40HX8K",
        device="hx8k",
        package="ct256",
        loader="ice40_generic",
        clock_hz=12 * _MHZ,
        core_hz=48 * _MHZ,
        pins=Pins(clock="J3", rx="B10", tx="B12", led="B5"),
        cells=7680,
        multipliers=0,
        block_rams=32,
        block_ram_bits=4 * 1024,
        flash_bytes=4 * MIB,
        engine=Engine(
            lanes=8,
            program_words=256,
            weight_words=512,
            constant_words=256,
            table_words=256,
            activation_words=512,
        ),
        capacity_bits=9,
    ),
    Board(
        name="tang-nano-20k",
        title="Tang Nano 20K (Gowin GW2AR-18)",
        family=Family.GOWIN,
        chip="GW2AR-18C",
        device="GW2AR-LV18QN88C8/I7",
        package="GW2A-18C",
        loader="tangnano20k",
        clock_hz=27 * _MHZ,
        core_hz=108 * _MHZ,
        pins=Pins(clock="4", rx="70", tx="69", led="15", led_low=True),
        cells=20_736,
        multipliers=48,
        block_rams=46,
        block_ram_bits=18 * 1024,
        flash_bytes=8 * MIB,
        engine=Engine(
            lanes=16,
            program_words=512,
            weight_words=2048,
            constant_words=512,
            table_words=512,
            activation_words=2048,
        ),
        experimental=True,
    ),
)

BOARDS: dict[str, Board] = {board.name: board for board in _ALL}
