"""What was measured, as Markdown: a column for each net."""

from collections.abc import Sequence

from benchmarks.fpga.measured import Measured
from hardware.fpga.boards import Board
from hardware.fpga.flow import Report
from hardware.fpga.proof import Proved


def table(found: Sequence[Measured]) -> str:
    board = found[0].proved.board
    rows = [_row(each, board) for each in found]
    lines = [
        f"{board.title}, {found[0].proved.engine.lanes} lanes at {board.core_hz / 1e6:g} MHz.\n",
        f"| | {' | '.join(each.trained.net.title for each in found)} |",
        "|---" * (len(found) + 1) + "|",
        *(f"| {name} | {' | '.join(row[name] for row in rows)} |" for name in rows[0]),
    ]
    return "\n".join(lines) + "\n"


def _row(each: Measured, board: Board) -> dict[str, str]:
    proved, report = each.proved, each.proved.built.report
    stages = {stage.name: stage for stage in proved.stages}
    return {
        "parameters": f"{each.parameters:,}",
        "parameters of the job": ", ".join(
            f"{name} {value}" for name, value in each.trained.net.params.items()
        ),
        "training, from the job to the model": f"{each.trained.seconds:.0f} s",
        "accuracy, floats": f"{each.trained.floats:.1%}",
        "accuracy, int8 in LiteRT": f"{each.litert:.1%}",
        "accuracy, int8 in Verilog": f"{each.rtl:.1%}",
        "vectors in Verilog, mismatches": f"{stages['rtl'].vectors:,}, {stages['rtl'].mismatches}",
        "vectors in the netlist, mismatches": f"{stages['netlist'].vectors}, {stages['netlist'].mismatches}",
        "cells": f"{report.cells:,} of {board.cells:,} ({report.cells / board.cells:.0%})",
        "multipliers": f"{report.multipliers} of {board.multipliers}",
        "block RAMs": f"{report.block_rams} of {board.block_rams}",
        "clock, routed": f"{report.fmax_hz / 1e6:.1f} MHz",
        "cycles an inference": f"{proved.cycles:,}",
        "use of the array": f"{each.utilisation:.0%}",
        "an inference": f"{proved.seconds * 1e3:.2f} ms",
        "the same at the routed clock": f"{proved.cycles / report.fmax_hz * 1e3:.2f} ms",
        "energy, estimated": f"{proved.energy.joules * 1e6:.0f} µJ",
        "loading over the line, reckoned": f"{each.load_s:.1f} s",
        "the board's bitstream, once": _seconds(report),
        **_held(proved),
        "proof, seconds": ", ".join(f"{name} {stage.seconds:.0f}" for name, stage in stages.items()),
        "from a .tflite to the end of the proof": f"{each.took_s:.0f} s",
    }


def _held(proved: Proved) -> dict[str, str]:
    """What there is to say of a bitstream that holds the net, where there is one."""
    if proved.contained is None:
        return {}
    report, board = proved.contained.report, proved.board
    stage = next(stage for stage in proved.stages if stage.name == "contained")
    return {
        "the bitstream that holds the net": _seconds(report),
        "its cells, multipliers, block RAMs": f"{report.cells:,}, {report.multipliers}, {report.block_rams}",
        "its clock, routed": f"{report.fmax_hz / 1e6:.1f} MHz, needed {board.core_hz / 1e6:g} MHz",
        "its vectors in the netlist, mismatches": f"{stage.vectors}, {stage.mismatches}",
    }


def _seconds(report: Report) -> str:
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report.seconds.items())
