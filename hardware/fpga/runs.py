"""What `make fpga-boards` made for each board, as it is recorded beside this file; and so which boards are offered."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hardware.fpga.boards import BOARDS
from hardware.fpga.engine import Engine
from hardware.fpga.flow import Report

FILE = Path(__file__).with_name("runs.json")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the whole flow, with the circuit of this digest (identity.py): a report, or why there is none.
    `made`: the day, and `machine`, that it ran on.
    """

    board: str
    engine: Engine
    digest: str
    made: str
    machine: str
    failure: str = ""
    report: Report | None = None

    @property
    def met(self) -> bool:
        """Whether it gave a bitstream that the board's clock suits."""
        return self.report is not None and self.report.met

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "report": None if self.report is None else self.report.as_json()}


def read(text: str) -> dict[str, Run]:
    """By board; the inverse of `written`."""
    return {name: _run(said) for name, said in json.loads(text).items()}


def written(runs: Mapping[str, Run]) -> str:
    return json.dumps({name: runs[name].as_json() for name in BOARDS if name in runs}, indent=1) + "\n"


def _run(said: dict[str, Any]) -> Run:
    report = said.pop("report")
    return Run(
        **{**said, "engine": Engine(**said["engine"])},
        report=None if report is None else Report.of_json(report),
    )


RUNS: Mapping[str, Run] = read(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def offered(board: str) -> bool:
    """Whether a recorded run, with an engine of the size that the board has, was routed and met timing."""
    run = RUNS.get(board)
    return run is not None and run.met and run.engine == BOARDS[board].engine
