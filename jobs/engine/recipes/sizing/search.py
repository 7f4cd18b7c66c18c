"""The largest network of a recipe that fits all its targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hardware.targets.profiles import Target
from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.sizing.boards import SURE, surely_fits
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.estimate import Estimate, estimate
from jobs.engine.recipes.sizing.net import Net

WIDTH = "width"


@dataclass(frozen=True)
class Knobs:
    """What may be made smaller: the parameter `name` (how deep, or how large the pictures), and the width.

    `values` run from what was asked down to the least, `widths` from the least up to what was asked.
    """

    name: str
    values: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Sizing:
    """How a recipe's network follows from its parameters and the data. Called with the recipe's own parameters.

    `kind` names the parameter that chooses among kinds of networks, if there are several: it is never changed.
    """

    net: Callable[[Any, Data], Net]
    knobs: Callable[[Any, Data], Knobs]
    kind: str = ""

    def estimate(self, params: TrainParams, data: Data) -> Estimate:
        return estimate(self.net(params, data))

    def largest(
        self, params: TrainParams, data: Data, targets: Sequence[Target], *, margin: float = SURE
    ) -> TrainParams | None:
        """Parameters no larger than `params` with which every target holds the model; None if none are small enough.

        Of those that fit, the ones with the most multiply-accumulates: what a network computes is what it can learn
        with. `margin` is how many times its tolerance the estimate is taken to be too low.
        """

        def fits(tried: TrainParams) -> bool:
            found = self.estimate(tried, data)
            return all(surely_fits(found, target, margin=margin) for target in targets)

        if fits(params):
            return params
        knobs = self.knobs(params, data)
        found = [
            widest for value in knobs.values if (widest := _widest(_with(params, knobs, value), knobs, fits))
        ]
        return max(found, key=lambda each: self.estimate(each, data).macs, default=None)

    def only(
        self, name: str, params: TrainParams, data: Data, targets: Sequence[Target], *, margin: float = SURE
    ) -> TrainParams | None:
        """As `largest`, but only the parameter `name` may change: None if that is not enough."""
        knobs = self.knobs(params, data)
        kept = (
            replace(knobs, values=knobs.values[:1])
            if name == WIDTH
            else replace(knobs, widths=knobs.widths[-1:])
        )
        return replace(self, knobs=lambda _params, _data: kept).largest(params, data, targets, margin=margin)


def _with(params: TrainParams, knobs: Knobs, value: int) -> TrainParams:
    return params.model_copy(update={knobs.name: value})


def _widest(params: TrainParams, knobs: Knobs, fits: Callable[[TrainParams], bool]) -> TrainParams | None:
    """The widest that fits, by halving: a narrower network never takes more."""
    low, high = 0, len(knobs.widths)
    while low < high:
        middle = (low + high) // 2
        if fits(params.model_copy(update={WIDTH: knobs.widths[middle]})):
            low = middle + 1
        else:
            high = middle
    return params.model_copy(update={WIDTH: knobs.widths[low - 1]}) if low else None


def downwards(largest: int, least: int, step: int) -> tuple[int, ...]:
    """`largest`, then the multiples of `step` below it, down to `least`."""
    below = range((largest - 1) // step * step, least - 1, -step)
    return (largest, *below) if largest > least else (largest,)
