"""What an inference takes of energy: an estimate, never a measurement.

Static: the typical current of the core's supply at 0 Hz, times its nominal voltage. From Lattice's data sheets: 77 mA
(FPGA-DS-02012, 3.10, for LFE5U-12F and LFE5U-25F, as builders of boards quote it), 1.14 mA (DS1040, now FPGA-DS-02029,
given for the HX4K, the same die as the HX8K), 75 µA (FPGA-DS-02008 of December 2020, table 4.6). What the data sheet
says of LFE5U-45F and LFE5U-85F could not be looked up: their figures are assumed. Auxiliary supplies are not in it.

Dynamic: Shang, Kaviani, Bathala, "Dynamic Power Consumption in Virtex-II FPGA Family" (FPGA 2002), found 5.9 µW a MHz
in a CLB (eight look-up tables with their registers) of typical designs in 150 nm at 1.5 V. Power goes with capacitance,
so with the size of a transistor, and with the square of the voltage: that much of it is reckoned for the 40 nm of these
chips. The activity of a circuit, on which it depends most, is not known; block RAMs and multipliers are not in it.
"""

from dataclasses import dataclass

from hardware.fpga.boards import Board, Family
from hardware.fpga.flow import Report

_CLB_WATTS_A_HZ = 5.9e-12
_CLB_CELLS = 8
_MEASURED_NM, _MEASURED_VOLTS = 150, 1.5
_NM = 40
_VOLTS = {Family.ECP5: 1.1, Family.ICE40: 1.2, Family.GOWIN: 1.0}
_STATIC_AMPERES = {
    "LFE5U-12F": 0.077,
    "LFE5U-25F": 0.077,
    "LFE5U-45F": 0.116,
    "LFE5U-85F": 0.212,
    "iCE40HX8K": 0.00114,
    "iCE40UP5K": 0.000075,
}
_ASSUMED = {"LFE5U-45F", "LFE5U-85F"}

FORMULA = "joules = (static watts + cells · watts a cell and hertz · clock) · seconds of an inference"
_SOURCE = (
    "An estimate, nothing was measured: {static}; dynamic power of a cell from Shang, Kaviani, Bathala (FPGA 2002), "
    "scaled to 40 nm and the chip's voltage, without block RAMs and multipliers."
)
_LOOKED_UP = "standby current of the core from the chip's data sheet"
_ONLY_ASSUMED = "standby current of the core assumed, as no data sheet was at hand"
_NO_STATIC = "no figure is known for this chip at rest, so that part is missing"


@dataclass(frozen=True, kw_only=True)
class Energy:
    """An estimate. `joules` of one inference = (`static_watts` + `dynamic_watts`) · seconds; `formula` and `source` are
    sentences for the page.
    """

    joules: float
    static_watts: float
    dynamic_watts: float
    formula: str
    source: str


def estimate(board: Board, report: Report, seconds: float) -> Energy:
    """For an inference that takes so many seconds on a circuit of this report."""
    volts = _VOLTS[board.family]
    scale = _NM / _MEASURED_NM * (volts / _MEASURED_VOLTS) ** 2
    dynamic = report.cells / _CLB_CELLS * _CLB_WATTS_A_HZ * scale * board.core_hz
    amperes = _STATIC_AMPERES.get(board.chip)
    static = volts * (amperes or 0.0)
    return Energy(
        joules=(static + dynamic) * seconds,
        static_watts=static,
        dynamic_watts=dynamic,
        formula=FORMULA,
        source=_SOURCE.format(static=_static(board.chip)),
    )


def _static(chip: str) -> str:
    """Where the figure at rest comes from."""
    if chip in _ASSUMED:
        return _ONLY_ASSUMED
    return _LOOKED_UP if chip in _STATIC_AMPERES else _NO_STATIC
