"""A training's parameters held against its targets: refused in words, made smaller, or told what to expect.

The portal does this when a job is submitted, the engine again before the first step of training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from hardware.targets.profiles import Target
from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.sizing.boards import SURE, Fits, OnBoard, limit, on_board
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.estimate import Estimate
from jobs.engine.recipes.sizing.search import WIDTH, Sizing


class UnfitError(Exception):
    """A target can't hold the model. The message says why and what would fit; `most` are the largest values of single
    parameters that would, where changing one is enough.
    """

    def __init__(self, sentence: str, most: Mapping[str, int]) -> None:
        super().__init__(sentence)
        self.most = dict(most)


@dataclass(frozen=True)
class Fitted:
    """`params` are those to train with; `asked` and `chosen` name what was made smaller, and to what, and `limits` say
    what boards lack for what was asked, by the estimate with its tolerance: all empty when nothing was made smaller.
    """

    params: TrainParams
    asked: Mapping[str, int]
    chosen: Mapping[str, int]
    estimate: Estimate
    boards: tuple[OnBoard, ...]
    limits: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What was made smaller, for whom; "" when nothing was."""
        changes = [
            f"{_title(self.params, name)} {self.asked[name]} became {self.chosen[name]}"
            for name in self.asked
        ]
        named = _and([board.target.title for board in self.boards])
        return f"To fit {named}, {_and(changes)}." if changes else ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the API and the pages."""
        return {
            "asked": dict(self.asked),
            "chosen": dict(self.chosen),
            "sentence": self.sentence,
            "limits": list(self.limits),
            "parameters": self.estimate.parameters,
            "macs": self.estimate.macs,
            "targets": [board.as_json() for board in self.boards],
        }


def fitted(
    sizing: Sizing,
    params: TrainParams,
    data: Data,
    targets: Sequence[Target],
    *,
    shrink: bool,
    factors: Mapping[str, float] | None = None,
    margin: float = SURE,
    asked: TrainParams | None = None,
) -> Fitted:
    """The parameters as they are, or with `shrink` the largest that surely fit every target.

    UnfitError when a target can't hold the model even if the estimate is too high by its tolerance; with `shrink`, when
    no network of the recipe is small enough. `factors` is by how much real boards were slower than estimated, by name;
    `margin` how many tolerances there must be to spare when it shrinks. `asked` is what was asked for, where `params`
    were made smaller before.
    """
    chosen = params
    if shrink:
        found = sizing.largest(params, data, targets, margin=margin)
        if found is None:
            raise unfit(sizing, params, data, targets, _reason(sizing, params, data, targets))
        chosen = found
    estimate = sizing.estimate(chosen, data)
    boards = tuple(on_board(estimate, each, factor=(factors or {}).get(each.name, 1.0)) for each in targets)
    for board in boards:
        if board.fits is Fits.TOO_LARGE:
            raise unfit(sizing, params, data, targets, board.reason)
    before, after = _sizes(sizing, asked or params, data), _sizes(sizing, chosen, data)
    changed = [name for name in before if before[name] != after[name]]
    return Fitted(
        chosen,
        {name: before[name] for name in changed},
        {name: after[name] for name in changed},
        estimate,
        boards,
        _limits(sizing.estimate(asked or params, data), targets, margin) if changed else (),
    )


def _limits(estimate: Estimate, targets: Sequence[Target], margin: float) -> tuple[str, ...]:
    return tuple(lacks for target in targets if (lacks := limit(estimate, target, margin=margin)))


def unfit(
    sizing: Sizing,
    params: TrainParams,
    data: Data,
    targets: Sequence[Target],
    reason: str,
    *,
    margin: float = SURE,
) -> UnfitError:
    """The refusal for `reason`, with what would fit all of `targets` with `margin` tolerances to spare."""
    asked, most = _sizes(sizing, params, data), {}
    for name in asked:
        if found := sizing.only(name, params, data, targets, margin=margin):
            most[name] = _sizes(sizing, found, data)[name]
    # Where the estimate was too low, what was asked seems to fit.
    if most and all(most[name] < asked[name] for name in most):
        return UnfitError(f"{reason} It would fit with {_or(_named(params, most))}; {_ASK}", most)
    if not most and (together := sizing.largest(params, data, targets, margin=margin)):
        both = _named(params, _sizes(sizing, together, data))
        return UnfitError(f"{reason} It would fit with {_and(both)} together; {_ASK}", {})
    return UnfitError(reason if most else f"{reason} {_nothing(sizing, params, data, targets, margin)}", {})


def _nothing(
    sizing: Sizing, params: TrainParams, data: Data, targets: Sequence[Target], margin: float
) -> str:
    """That no size will do; and which other kinds of networks have one that will."""
    kind = sizing.kind
    kinds = get_args(type(params).model_fields[kind].annotation) if kind else ()
    others = [
        each
        for each in kinds
        if each != getattr(params, kind)
        and sizing.largest(params.model_copy(update={kind: each}), data, targets, margin=margin)
    ]
    if not others:
        return "Not even the smallest network of this recipe fits there."
    asked = getattr(params, kind)
    return f"Not even the smallest {asked} network fits there; a {_or(others)} one does, made to fit (“fit”)."


_ASK = "or have it made to fit (“fit”)."


def _reason(sizing: Sizing, params: TrainParams, data: Data, targets: Sequence[Target]) -> str:
    found = [on_board(sizing.estimate(params, data), target) for target in targets]
    return next((board.reason for board in found if board.reason), "")


def _sizes(sizing: Sizing, params: TrainParams, data: Data) -> dict[str, int]:
    """What decides the size: the width, and how deep it is or how large its pictures."""
    knobs = sizing.knobs(params, data)
    return {WIDTH: knobs.widths[-1], knobs.name: knobs.values[0]}


def _named(params: TrainParams, values: Mapping[str, int]) -> list[str]:
    return [f"{_title(params, name)} {value}" for name, value in values.items()]


def _title(params: TrainParams, name: str) -> str:
    return str(type(params).model_fields[name].title or name).lower()


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)
