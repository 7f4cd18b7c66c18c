"""How long a job has still to go: by its own pace once it trains, before that by those that trained before it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from math import log
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.nodes.models import AcceleratorKind
from jobs.datasets.models import Version
from jobs.engine.recipes.registry import RECIPES
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import Status
from jobs.queue.work import Speeds, work_of

LEARNT_FROM = 200  # the newest jobs that succeeded
POWER: Final = (
    0.5  # how time grows with a net's size, before anything was seen: small nets leave a machine idle
)
WEIGHT: Final = (
    1.0  # of that guess, in jobs whose nets are by a factor of e larger or smaller than the others
)

Floats = NDArray[np.float64]


class Pace(NamedTuple):
    """Seconds of work of a recipe for one sample in one epoch: e^`at` · MACs^`power`, MACs being the
    multiply-accumulates of one answer; `plain` where these are not known.
    """

    plain: float
    at: float
    power: float


UNKNOWN: Final = Pace(np.nan, np.nan, np.nan)


def seconds(paces: Floats, size: Floats, macs: Floats) -> Floats:
    """What whole jobs take, of each one: its `Pace` (paces: n × 3), epochs times samples, MACs (NaN: not known)."""
    plain, at, power = paces.T
    by_size = np.exp(at + power * np.log(np.maximum(macs, 1.0)))
    return np.asarray(size * np.where(np.isnan(macs), plain, by_size))


def by_pace(position: Mapping[str, Any]) -> float:
    """Seconds that the steps left take at the pace last told, where it runs; NaN before a pace is known."""
    pace, steps = position.get("steps_per_s") or 0.0, position.get("steps") or 0
    if pace <= 0 or steps <= 0:
        return float(np.nan)
    return max(0.0, steps - (position.get("step") or 0)) / float(pace)


def samples_of(versions: Collection[str | None]) -> dict[str, int | None]:
    """How many samples these versions have."""
    wanted = {pk for pk in versions if pk}
    return dict(Version.objects.filter(pk__in=wanted).values_list("pk", "report__samples"))


def size(params: Mapping[str, Any], samples: int | None) -> float:
    """What a whole job goes through: epochs times samples; NaN where either is not known."""
    return float((params.get("epochs") or np.nan) * (samples or np.nan))


def priors(known: Speeds) -> dict[str, Pace]:
    """How long each recipe's latest jobs took."""
    rows = list(
        Job.objects.filter(status=Status.SUCCEEDED, recipe__in=list(RECIPES))
        .exclude(accelerator=AcceleratorKind.FPGA)  # these build, too
        .order_by("-pk")
        .values_list("pk", "recipe", "spec__params__epochs", "version__report__samples", "macs")[:LEARNT_FROM]
    )
    worked = work_of(Attempt.objects.filter(job__in=[row[0] for row in rows]), known, now=0.0)
    found: dict[str, list[tuple[float, int | None]]] = defaultdict(list)
    for pk, recipe, epochs, samples, macs in rows:
        work = worked.get(pk, (0.0, 0.0))[1]
        if epochs and samples and work > 0:
            found[recipe].append((work / (epochs * samples), macs))
    return {recipe: _pace(seen) for recipe, seen in found.items()}


def _pace(seen: list[tuple[float, int | None]]) -> Pace:
    """A line through the logarithms of seconds and MACs, by ridge regression towards the slope `POWER` (Hoerl and
    Kennard 1970), at a height that half of the jobs are above: one that hung counts for no more than another.
    """
    plain = median(value for value, _macs in seen)
    known = [(log(max(macs, 1)), log(value)) for value, macs in seen if macs is not None]
    if not known:
        return Pace(plain, log(plain), 0.0)
    x, y = np.array(known).T
    away = x - x.mean()
    power = max(0.0, float((away @ (y - y.mean()) + WEIGHT * POWER) / (away @ away + WEIGHT)))
    return Pace(plain, float(np.median(y - power * x)), power)
