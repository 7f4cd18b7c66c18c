"""The table of docs/bundles.md: a column for each data set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.bundles.measured import Beside, Measured
from benchmarks.bundles.taken import BOARD, PI

KIB = 1024


@dataclass(frozen=True)
class Line:
    """`value` is what is held against `most`, the aim; None for what has none."""

    title: str
    cell: Callable[[Measured], str]
    value: Callable[[Measured], float] | None = None
    most: float = 0.0
    aim: str = ""

    def met(self, found: Measured) -> bool:
        return self.value is None or self.value(found) <= self.most

    def markdown(self, all_of: Sequence[Measured]) -> str:
        cells = [self.cell(each) + ("" if self.met(each) else ", **not met**") for each in all_of]
        return f"| {self.title} | {' | '.join(cells)} | {self.aim} |\n"


def _samples(found: Measured) -> str:
    return f"{found.int8['compared']['samples']:,}"


def _worth(found: Measured) -> str:
    return f"{found.float_worth:.4f} → {found.int8['accuracy']:.4f}"


def _drop(found: Measured) -> str:
    told = found.int8["compared"]
    return f"{told['lost']} lost, {told['gained']} won, p = {told['p']:.2g}"


def _part(found: Measured) -> float:
    return float(found.int8["model_bytes"] / found.fp32["model_bytes"])


def _bytes(found: Measured) -> str:
    return f"{found.int8['model_bytes']:,} of {found.fp32['model_bytes']:,}: {_part(found):.1%}"


def _arena(found: Measured) -> str:
    return f"{found.of_board('arena_measured_bytes'):,}, with its margin {found.of_board('arena_bytes'):,}"


def _latency(found: Measured) -> str:
    return f"{1000 * found.latency.ours:.1f} µs ÷ {1000 * found.latency.theirs:.1f} µs: {found.latency.ratio:.2f}"


def _first(found: Beside) -> str:
    return f"{found.ours:.2f} s ÷ {found.theirs:.2f} s: {found.ratio:.2f}"


LINES = (
    Line("epochs", lambda found: str(found.taken.data.epochs)),
    Line("test samples", _samples),
    Line("accuracy on them, Keras → exported int8", _worth),
    Line("int8 beside float (exact McNemar)", _drop),
    Line("bytes of the int8 file, of the fp32 file", _bytes, _part, 0.27, "≤ 27 %"),
    Line("arena on a Pi, planned by LiteRT, bytes", lambda found: f"{found.int8['arena_bytes']:,}"),
    Line("arena on a Pico 2, TensorFlow Lite Micro, bytes", _arena),
    Line("conversion", lambda found: f"{found.conversion_s:.1f} s"),
    Line("latency: run.py ÷ LiteRT's benchmark", _latency, lambda found: found.latency.ratio, 1.1, "≤ 1.1"),
    Line("download for a Pi 4", lambda found: f"{found.download(PI) / KIB:,.0f} KiB"),
    Line("download for a Pico 2", lambda found: f"{found.download(BOARD) / KIB:,.0f} KiB"),
    Line(
        "first answer, emulated Pi 4: run.py ÷ bare script", lambda found: _first(found.first_emulated),
        lambda found: found.first_emulated.ratio, 1.2, "≤ 1.2",
    ),
    Line("first answer, this machine: run.py ÷ bare script", lambda found: _first(found.first_here)),
)  # fmt: skip


def table(all_of: Sequence[Measured]) -> str:
    """Markdown."""
    head = f"| | {' | '.join(each.taken.data.title for each in all_of)} | aim |\n"
    line = f"|---|{'---|' * len(all_of)}---|\n"
    return head + line + "".join(each.markdown(all_of) for each in LINES)


def all_met(all_of: Sequence[Measured]) -> bool:
    return all(line.met(each) for line in LINES for each in all_of)
