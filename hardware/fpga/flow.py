"""From Verilog to a bitstream: netlist, place and route, pack; with open tools, and the same bytes each time.

    built = build(shell.circuit(board), board, folder=folder, cache=cache)
    built.bitstream, built.report.fmax_hz, built.report.met

What is not routed, or not fast enough, is tried again with other seeds; `build_largest` goes on with smaller engines.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hardware.fpga import tools
from hardware.fpga.boards import Board
from hardware.fpga.chips import CHIPS, Chip
from hardware.fpga.engine import Engine
from hardware.fpga.shell import Circuit
from hardware.fpga.tools import Limits, ToolError

SEEDS = (1, 2, 3)
SCRIPT = "netlist.ys"
_KEPT = ("report.json", "netlist.json", "netlist.v")  # beside the bitstream, in the cache too

Progress = Callable[[str, str], None]
"""Called with a stage's name ("netlist", "place and route", "pack") and what of it is being done."""


@dataclass(frozen=True, kw_only=True)
class Routed:
    """One seed's result: the clock that the routing allows (Hz), or why there is none."""

    seed: int
    fmax_hz: float = 0.0
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a circuit takes of its chip, and how fast it may run. `seconds` by stage; `tried` has every seed."""

    board: str
    seed: int
    cells: int
    multipliers: int
    block_rams: int
    fmax_hz: float
    wanted_hz: float
    seconds: dict[str, float]
    tried: tuple[Routed, ...]
    versions: dict[str, str]
    sha256: str
    cached: bool = False

    @property
    def met(self) -> bool:
        """Whether the clock that the board gives is allowed."""
        return self.fmax_hz >= self.wanted_hz

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of_json(said: Mapping[str, Any]) -> "Report":
        """The inverse of `as_json`. TypeError, KeyError for anything else."""
        return Report(**{**said, "tried": tuple(Routed(**each) for each in said["tried"])})


@dataclass(frozen=True)
class Built:
    """A bitstream (a file in the folder that `build` was given) and its report; beside it `netlist.json`, which was
    routed, and the same as `netlist.v`.
    """

    bitstream: Path
    report: Report

    @property
    def netlist(self) -> Path:
        return self.bitstream.with_name("netlist.json")


class FlowError(Exception):
    """No bitstream came of it. `stage`; the sentence says what to do."""

    def __init__(self, stage: str, detail: str) -> None:
        super().__init__(detail)
        self.stage = stage


@dataclass(frozen=True)
class Call:
    """One run of a tool: `arguments` name the working folder as tools.INSIDE, `writes` is what it leaves there."""

    tool: tools.Tool
    arguments: tuple[str, ...]
    log: str
    writes: str


@dataclass(frozen=True)
class _Run:
    """What the stages of one build share."""

    board: Board
    chip: Chip
    folder: Path
    limits: Limits
    cancelled: Callable[[], bool]
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def call(self, call: Call) -> float:
        """As `tool`."""
        inside = tools.INSIDE if call.tool.function else str(self.folder)  # Apycula is no WebAssembly
        arguments = [each.replace(tools.INSIDE, inside) for each in call.arguments]
        return self.tool(call.tool, arguments, call.log, call.writes)

    def tool(self, tool: tools.Tool, arguments: Sequence[str], log: str, writes: str) -> float:
        """Runs it; ToolError also when what it is to write isn't there."""
        target, record = self.folder / writes, self.folder / log
        target.unlink(missing_ok=True)
        record.unlink(missing_ok=True)
        took = tools.run(
            tool, arguments, folder=self.folder, log=record, limits=self.limits, cancelled=self.cancelled
        )
        if not target.exists() or not target.stat().st_size:
            raise ToolError(tool.name, f"wrote no {writes}", record)
        return took


def build(
    made: Circuit,
    board: Board,
    *,
    folder: Path,
    cache: Path | None = None,
    seeds: Sequence[int] = SEEDS,
    limits: Limits | None = None,
    progress: Progress = lambda _stage, _detail: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Built:
    """The bitstream of a circuit: of the first seed that meets timing, else of the fastest.

    `folder` (made if need be) keeps sources, logs and reports, also after an error. `cache`: what was built from the
    same files, seeds and versions is taken from there and put there. FlowError; CancelledError; LookupError where a
    tool is not installed.
    """
    chip = CHIPS[board.family]
    versions = tools.versions(chip.tools)
    folder.mkdir(parents=True, exist_ok=True)
    kept = None if cache is None else cache / _key(made, board, seeds, versions)
    if kept is not None and (found := _restored(kept, folder, chip)):
        progress("pack", "taken from the cache")
        return found
    run = _Run(board, chip, folder, limits or Limits(), cancelled, progress)
    _netlist(run, made)
    routed = _routed(run, made, seeds)
    built = _packed(run, made, routed, versions)
    if kept is not None:
        _keep(kept, folder, chip)
    return built


def netlist(
    made: Circuit,
    board: Board,
    *,
    folder: Path,
    limits: Limits | None = None,
    progress: Progress = lambda _stage, _detail: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """The first stage alone: `netlist.json` in the folder. Errors as `build`."""
    folder.mkdir(parents=True, exist_ok=True)
    _netlist(_Run(board, CHIPS[board.family], folder, limits or Limits(), cancelled, progress), made)
    return folder / "netlist.json"


def build_largest(
    sizes: Sequence[Engine],
    make: Callable[[Engine], Circuit],
    board: Board,
    *,
    folder: Path,
    progress: Progress = lambda _stage, _detail: None,
    **options: Any,
) -> tuple[Engine, Built]:
    """The first of these sizes, largest first, that is routed and meets timing; says through `progress` which did not.

    `make`: the circuit of a size. FlowError when none does, as the last one raised it; `options` are `build`'s.
    """
    last = FlowError("netlist", "No size was named.")
    for place, size in enumerate(sizes, 1):
        try:
            built = build(make(size), board, folder=folder / f"size-{place}", progress=progress, **options)
        except FlowError as error:
            last = error
        else:
            if built.report.met:
                return size, built
            last = FlowError("place and route", _too_slow(board, built.report))
        progress(last.stage, f"Size {place} of {len(sizes)} ({size.lanes} lanes) did not do. {last}")
    raise last


def _too_slow(board: Board, report: Report) -> str:
    return (
        f"What was routed on {board.title} may run at {report.fmax_hz / 1e6:.1f} MHz; "
        f"{report.wanted_hz / 1e6:.1f} MHz are needed: try a smaller engine."
    )


def _key(made: Circuit, board: Board, seeds: Sequence[int], versions: dict[str, str]) -> str:
    run = [[call.arguments for call in calls(made, board, seed)] for seed in seeds]
    said = [made.sources, made.constraints, script(made, board), run, versions, _KEPT]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


# --- the stages ---------------------------------------------------------------------------------------------


def script(made: Circuit, board: Board) -> str:
    """What yosys is to do, the file SCRIPT."""
    files = " ".join(f"{tools.INSIDE}/{name}" for name in sorted(made.sources) if name.endswith(".v"))
    return (
        f"read_verilog -I{tools.INSIDE} {files}\n"
        f"{CHIPS[board.family].synthesis(board)} -top board -json {tools.INSIDE}/netlist.json\n"
        f"write_verilog -noattr {tools.INSIDE}/netlist.v\n"
    )


def calls(made: Circuit, board: Board, seed: int) -> tuple[Call, Call, Call]:
    """What makes a bitstream of a folder with the circuit's files and SCRIPT: netlist, place and route, pack."""
    chip, inside = CHIPS[board.family], tools.INSIDE
    routed, name = f"seed-{seed}.routed", f"board.{chip.ending}"
    return (
        Call(tools.YOSYS, ("-s", f"{inside}/{SCRIPT}"), "yosys.log", "netlist.json"),
        Call(
            chip.router,
            (
                *chip.place(board, f"{inside}/{made.constraints_name}", f"{inside}/{routed}"),
                "--json", f"{inside}/netlist.json", "--report", f"{inside}/seed-{seed}.json",
                "--seed", str(seed), "--freq", f"{board.core_hz / 1e6:g}", "--timing-allow-fail",
            ),
            f"seed-{seed}.log",
            routed,
        ),
        Call(chip.packer, tuple(chip.pack(board, f"{inside}/{routed}", f"{inside}/{name}")), "pack.log", name),
    )  # fmt: skip


def _netlist(run: _Run, made: Circuit) -> None:
    texts = {**made.sources, made.constraints_name: made.constraints, SCRIPT: script(made, run.board)}
    for name, text in texts.items():
        (run.folder / name).write_text(text, encoding="utf-8")
    run.progress("netlist", f"yosys, for {run.board.title}")
    try:
        took = run.call(calls(made, run.board, SEEDS[0])[0])
    except ToolError as error:
        raise FlowError("netlist", f"No netlist could be made. {error}") from error
    run.seconds["netlist"] = took


def _routed(run: _Run, made: Circuit, seeds: Sequence[int]) -> tuple[Routed, ...]:
    """Seeds in turn until one meets timing; the best one is last. FlowError when none was routed."""
    tried: list[Routed] = []
    for seed in seeds:
        run.progress(
            "place and route", f"{run.chip.router.name}, seed {seed} ({len(tried) + 1} of {len(seeds)})"
        )
        tried.append(_try(run, made, seed))
        if tried[-1].fmax_hz >= run.board.core_hz:
            break
    run.seconds["place and route"] = sum(each.seconds for each in tried)
    best = max(tried, key=lambda each: each.fmax_hz)
    if not best.fmax_hz:
        raise FlowError(
            "place and route",
            f"Nothing was routed on {run.board.title} with seeds {', '.join(map(str, seeds))}: try a smaller "
            f"engine (fewer lanes, less memory). {best.failure}",
        )
    return (*(each for each in tried if each is not best), best)


def _try(run: _Run, made: Circuit, seed: int) -> Routed:
    try:
        took = run.call(calls(made, run.board, seed)[1])
        measured = json.loads((run.folder / f"seed-{seed}.json").read_text(encoding="utf-8"))
    except (ToolError, OSError, ValueError) as error:
        return Routed(seed=seed, failure=str(error))
    clocks = [each["achieved"] * 1e6 for each in measured["fmax"].values()]
    return Routed(seed=seed, fmax_hz=min(clocks), seconds=took)


def _packed(run: _Run, made: Circuit, tried: tuple[Routed, ...], versions: dict[str, str]) -> Built:
    best = tried[-1]
    call = calls(made, run.board, best.seed)[2]
    run.progress("pack", run.chip.packer.name)
    try:
        run.seconds["pack"] = run.call(call)
    except ToolError as error:
        raise FlowError("pack", f"The routed circuit could not be packed. {error}") from error
    measured = json.loads((run.folder / f"seed-{best.seed}.json").read_text(encoding="utf-8"))
    used = run.chip.used(measured["utilization"])
    report = Report(
        board=run.board.name,
        seed=best.seed,
        cells=used["cells"],
        multipliers=used["multipliers"],
        block_rams=used["block_rams"],
        fmax_hz=best.fmax_hz,
        wanted_hz=float(run.board.core_hz),
        seconds=dict(run.seconds),
        tried=tried,
        versions=versions,
        sha256=hashlib.sha256((run.folder / call.writes).read_bytes()).hexdigest(),
    )
    (run.folder / "report.json").write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    return Built(run.folder / call.writes, report)


# --- the cache ----------------------------------------------------------------------------------------------


def _keep(kept: Path, folder: Path, chip: Chip) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".making-"))
    for name in (f"board.{chip.ending}", *_KEPT):
        shutil.copy(folder / name, making / name)
    try:
        making.rename(kept)
    except OSError:  # somebody else built the same meanwhile
        shutil.rmtree(making)


def _restored(kept: Path, folder: Path, chip: Chip) -> Built | None:
    """What the cache holds, copied into the folder; None when there is nothing, or not what its report says."""
    name = f"board.{chip.ending}"
    try:
        said = json.loads((kept / "report.json").read_text(encoding="utf-8"))
        content = (kept / name).read_bytes()
        report = replace(Report.of_json(said), cached=True)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if hashlib.sha256(content).hexdigest() != report.sha256:
        return None
    for each in (name, *_KEPT):
        shutil.copy(kept / each, folder / each)
    return Built(folder / name, report)
