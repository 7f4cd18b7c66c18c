"""What brings back what int8 lost: candidates, each made, run and judged on samples that are not the test split's.

docs/boards.md says what was tried on which models, and what is left out here because it did not help.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.profiles import Kind, Target
from jobs.engine.data import Arrays, Split
from jobs.engine.export import measure
from jobs.engine.export.compared import Compared, compare
from jobs.engine.export.convert import CORE_OPERATORS, ConversionError
from jobs.engine.export.graph import Graph

JUDGES = 2000
"""Samples that a remedy is judged by, at most."""

Outputs = NDArray[np.float32]
WhyNot = Callable[[bytes], str]


@dataclass(frozen=True)
class Candidate:
    """`make` converts, and may raise ConversionError; `title` says in words what is done."""

    name: str
    title: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Tried:
    """A candidate beside plain int8 and the float model, or why it could not be tried."""

    candidate: Candidate
    content: bytes = b""
    trouble: str = ""
    better: Compared | None = None  # of plain int8 beside this: real when this is really better
    left: Compared | None = None  # of this beside the float model

    @property
    def helps(self) -> bool:
        """Whether it is really better than plain int8."""
        return self.better is not None and self.better.real

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        found: dict[str, Any] = {
            "name": self.candidate.name,
            "title": self.candidate.title,
            "helps": self.helps,
        }
        if self.better is None or self.left is None:
            return {**found, "trouble": self.trouble}
        return {**found, "samples": self.left.samples, "gain": self.better.drop, "left": self.left.as_json()}


@dataclass(frozen=True)
class Judges:
    """The samples that candidates are judged by, and what the float model and plain int8 say to them."""

    x: NDArray[Any]
    y: NDArray[Any]
    classes: bool
    exact: Outputs
    plain: Outputs


def judges(
    arrays: Arrays, fp32: bytes, int8: bytes, *, threads: int, tick: Callable[[float], None]
) -> Judges:
    """Those of a version: validation samples and, as these alone are often too few, training samples. Nothing of int8
    was learned from either's labels.
    """
    first = _spread(arrays.validation, JUDGES)
    rest = _spread(arrays.train, JUDGES - len(first.y))
    x, y = np.concatenate([first.x, rest.x]), np.concatenate([first.y, rest.y])
    exact = measure.run_file(fp32, x, threads=threads, tick=tick)
    plain = measure.run_file(int8, x, threads=threads, tick=tick)
    return Judges(x, y, bool(arrays.labels), exact, plain)


def _spread(split: Split, most: int) -> Split:
    """Up to `most` samples, evenly spread over a split."""
    chosen = np.unique(np.linspace(0, len(split.y) - 1, min(most, len(split.y))).astype(int))
    return Split(np.asarray(split.x[chosen]), np.asarray(split.y[chosen]))


def attempt(
    candidate: Candidate, by: Judges, why_not: WhyNot, *, threads: int, tick: Callable[[float], None]
) -> Tried:
    """Make a candidate and run it on the samples that it is judged by. `why_not` says why a file can't run on the
    target, or nothing.
    """
    try:
        content = candidate.make()
        if trouble := why_not(content):
            return Tried(candidate, trouble=trouble)
        outputs = measure.run_file(content, by.x, threads=threads, tick=tick)
    except (ConversionError, measure.UnrunnableError) as error:
        return Tried(candidate, trouble=str(error))
    return Tried(
        candidate,
        content,
        better=compare(by.plain, outputs, by.y, classes=by.classes),
        left=compare(outputs, by.exact, by.y, classes=by.classes),
    )


def candidates(target: Target, arrays: Arrays, graph: Graph, wide: Callable[[], bytes]) -> list[Candidate]:
    """What is worth trying on a target for a model whose float file is `graph`; `wide` makes the file with activations
    of 16 bits.

    Nothing for pictures on computers and in browsers: LiteRT has no fast convolution of 16 bits, so that the float
    model in the same bundle is several times as quick, and no less exact. Nothing for a table's net that does more than
    dense layers: TensorFlow's only door to operators that stay float knows no 16 bits, and gaps (NaN) need floats.
    """
    if arrays.kind == "table":
        fits = target.kind in {Kind.LINUX, Kind.MICROCONTROLLER} and CORE_OPERATORS.issuperset(
            graph.operators
        )
    else:
        fits = target.kind is Kind.MICROCONTROLLER
    return [Candidate("wide", "activations of 16 bits", wide)] if fits else []


@dataclass(frozen=True)
class Treatment:
    """What was tried for an int8 file that is really worse (`before`, on the test split), and what is used now."""

    tried: tuple[Tried, ...]
    before: Compared

    @property
    def applied(self) -> Tried | None:
        """Of those that really help, the one that leaves the smallest drop."""
        helping = [each for each in self.tried if each.helps and each.left is not None]
        return min(helping, key=lambda each: each.left.drop if each.left else 0.0, default=None)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "applied": self.applied.candidate.name if self.applied else "",
            "tried": [each.as_json() for each in self.tried],
            "before": self.before.as_json(),
        }

    def in_words(self) -> str:
        """What was done, in a sentence or two for people."""
        what = "accuracy" if self.before.metric == "accuracy" else "R²"
        start = f"As plain int8 the model really loses {self.before.drop:.2g} of {what} on the test samples"
        found = self.applied
        if found is not None and found.better is not None:
            return (
                f"{start}. Therefore it has {found.candidate.title}: on {found.better.samples} validation and training "
                f"samples that brought back {found.better.drop:.2g}."
            )
        names = ", ".join(each.candidate.title for each in self.tried)
        return f"{start}, and {names} did not bring it back." if names else f"{start}."


def treat(
    candidates: list[Candidate],
    before: Compared,
    by: Judges,
    why_not: WhyNot,
    *,
    threads: int,
    tick: Callable[[float], None],
) -> Treatment:
    """Try candidates in turn, until one really helps and leaves no real drop. `why_not` says why a file can't run on
    the target, or nothing.
    """
    found: list[Tried] = []
    for candidate in candidates:
        found.append(attempt(candidate, by, why_not, threads=threads, tick=tick))
        if found[-1].helps and found[-1].left is not None and not found[-1].left.real:
            break
    return Treatment(tuple(found), before)
