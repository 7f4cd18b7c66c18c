"""The PLL that makes the engine's clock of a board's, as Verilog: `clk` is its output, `locked` says when that is good.

Sources: Lattice's FPGA-TN-02200 (ECP5's sysCLOCK PLLs), FPGA-TN-02052 (iCE40's), Gowin's UG286 (rPLL); how fast their
oscillators may go: FPGA-DS-02012, FPGA-DS-02008 and FPGA-DS-02029, DS226 (grade C8/I7).
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardware.fpga.boards import Board, Family


@dataclass(frozen=True)
class _Oscillator:
    """How fast it may go, what its clock can be divided by, and how fast what comes in and goes out may be; all in Hz,
    from the slowest to the fastest.
    """

    slowest: int
    fastest: int
    dividers: tuple[int, ...]
    entering: tuple[int, int]
    leaving: tuple[int, int]

    def divider(self, board: Board) -> int:
        """The one that has it go nearest to the middle. ValueError for a clock that can't be made."""
        middle = (self.slowest + self.fastest) / 2
        best = min(self.dividers, key=lambda each: abs(each * board.core_hz - middle))
        fed_back = board.core_hz * (best if board.family is Family.ICE40 else 1)
        if (
            not self.slowest <= best * board.core_hz <= self.fastest
            or not self.entering[0] <= board.clock_hz <= self.entering[1]
            or not self.leaving[0] <= board.core_hz <= self.leaving[1]
            or fed_back % board.clock_hz
        ):
            raise ValueError(f"{board.name}: no PLL settings for {board.clock_hz} to {board.core_hz} Hz")
        return best


_OSCILLATORS = {
    Family.ECP5: _Oscillator(
        slowest=400_000_000,
        fastest=800_000_000,
        dividers=tuple(range(1, 129)),
        entering=(8_000_000, 400_000_000),
        leaving=(3_125_000, 400_000_000),
    ),
    Family.ICE40: _Oscillator(
        slowest=533_000_000,
        fastest=1_066_000_000,
        dividers=tuple(1 << power for power in range(1, 7)),
        entering=(10_000_000, 133_000_000),
        leaving=(16_000_000, 275_000_000),
    ),
    Family.GOWIN: _Oscillator(
        slowest=500_000_000,
        fastest=1_250_000_000,
        dividers=(2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128),
        entering=(3_000_000, 500_000_000),
        leaving=(3_906_250, 625_000_000),
    ),
}
_FILTERS = (17_000_000, 26_000_000, 44_000_000, 66_000_000, 101_000_000)
"""Up to which clock each of an iCE40's filters is for, from the first: as Project IceStorm's icepll has them."""


def pll(board: Board) -> list[str]:
    """Lines of the module `board`, whose port `clk_pin` has the oscillator's clock. ValueError for a clock that can't
    be made.
    """
    return _WRITTEN[board.family](board, _OSCILLATORS[board.family].divider(board))


def _ecp5(board: Board, divide: int) -> list[str]:
    settings: dict[str, str | int] = {
        **_texts(
            PLLRST_ENA="DISABLED", INTFB_WAKE="DISABLED", STDBY_ENABLE="DISABLED", DPHASE_SOURCE="DISABLED",
            OUTDIVIDER_MUXA="DIVA", CLKOP_ENABLE="ENABLED", FEEDBK_PATH="CLKOP",
        ),
        "CLKI_DIV": 1, "CLKFB_DIV": board.core_hz // board.clock_hz, "CLKOP_DIV": divide,
        "CLKOP_CPHASE": divide // 2, "CLKOP_FPHASE": 0,
    }  # fmt: skip
    levels = {
        "RST": 0, "STDBY": 0, "PHASESEL0": 0, "PHASESEL1": 0, "PHASEDIR": 1, "PHASESTEP": 1, "PHASELOADREG": 1,
        "PLLWAKESYNC": 0, "ENCLKOP": 0,
    }  # fmt: skip
    return [
        f'    (* FREQUENCY_PIN_CLKI="{board.clock_hz / 1e6:g}", FREQUENCY_PIN_CLKOP="{board.core_hz / 1e6:g}",',
        '       ICP_CURRENT="12", LPF_RESISTOR="8", MFG_ENABLE_FILTEROPAMP="1", MFG_GMCREF_SEL="2" *)',
        *_cell("EHXPLLL", settings, ".CLKI(clk_pin), .CLKFB(clk), .CLKOP(clk), .LOCK(locked)", _bits(levels)),
    ]


def _ice40(board: Board, divide: int) -> list[str]:
    settings: dict[str, str | int] = {
        **_texts(FEEDBACK_PATH="SIMPLE"),
        "DIVR": "4'd0", "DIVF": f"7'd{board.core_hz * divide // board.clock_hz - 1}",
        "DIVQ": f"3'd{divide.bit_length() - 1}",
        "FILTER_RANGE": f"3'd{bisect_right(_FILTERS, board.clock_hz) + 1}",
    }  # fmt: skip
    name, port = (
        ("SB_PLL40_PAD", "PACKAGEPIN") if board.pins.clock_of_pll else ("SB_PLL40_CORE", "REFERENCECLK")
    )
    signals = f".{port}(clk_pin), .PLLOUTGLOBAL(clk), .LOCK(locked)"
    return _cell(name, settings, signals, _bits({"RESETB": 1, "BYPASS": 0}))


def _gowin(board: Board, divide: int) -> list[str]:
    settings: dict[str, str | int] = {
        **_texts(FCLKIN=f"{board.clock_hz / 1e6:g}", DEVICE=board.package, CLKFB_SEL="internal"),
        "IDIV_SEL": 0, "FBDIV_SEL": board.core_hz // board.clock_hz - 1, "ODIV_SEL": divide,
    }  # fmt: skip
    unused = {"FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "PSDA": 4, "DUTYDA": 4, "FDLY": 4}
    levels = [
        *_bits({"RESET": 0, "RESET_P": 0, "CLKFB": 0}),
        *(f".{name}({n}'d0)" for name, n in unused.items()),
    ]
    return _cell("rPLL", settings, ".CLKIN(clk_pin), .CLKOUT(clk), .LOCK(locked)", levels)


def _texts(**named: str) -> dict[str, str]:
    return {name: f'"{value}"' for name, value in named.items()}


def _bits(levels: Mapping[str, int]) -> list[str]:
    return [f".{name}(1'b{level})" for name, level in levels.items()]


def _cell(name: str, settings: Mapping[str, str | int], signals: str, levels: list[str]) -> list[str]:
    return [
        f"    {name} #(",
        ",\n".join(f"        .{setting}({value})" for setting, value in settings.items()),
        "    ) pll (",
        f"        {signals},",
        "        " + ", ".join(levels),
        "    );",
    ]


_WRITTEN: Mapping[Family, Callable[[Board, int], list[str]]] = {
    Family.ECP5: _ecp5,
    Family.ICE40: _ice40,
    Family.GOWIN: _gowin,
}
