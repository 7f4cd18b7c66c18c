"""How long a job has still to go: by its own pace once it trains, before that by those that trained before it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from statistics import median
from typing import Any

import numpy as np

from jobs.datasets.models import Version
from jobs.engine.recipes.registry import RECIPES
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import Status
from jobs.queue.work import Speeds, work_of

LEARNT_FROM = 200  # the newest jobs that succeeded


def by_pace(position: Mapping[str, Any]) -> float:
    """Seconds that the steps left take at the pace last told, where it runs; NaN before a pace is known."""
    pace, steps = position.get("steps_per_s") or 0.0, position.get("steps") or 0
    if pace <= 0 or steps <= 0:
        return float(np.nan)
    return max(0.0, steps - (position.get("step") or 0)) / float(pace)


class Lengths:
    """What whole jobs take, by their recipe, epochs and samples. `versions` are those that will be asked for."""

    def __init__(self, known: Speeds, versions: Collection[str | None]) -> None:
        self._per_sample = priors(known)
        wanted = [pk for pk in versions if pk] if self._per_sample else []
        self._samples = dict(Version.objects.filter(pk__in=wanted).values_list("pk", "report__samples"))

    def whole_s(self, recipe: str, params: Mapping[str, Any], version: str | None) -> float:
        """Seconds on its fastest type for the whole job; NaN where nothing is known of its recipe or its data."""
        epochs, samples = params.get("epochs"), self._samples.get(version or "")
        if recipe not in self._per_sample or not epochs or not samples:
            return float(np.nan)
        return self._per_sample[recipe] * float(epochs) * float(samples)


def priors(known: Speeds) -> dict[str, float]:
    """Seconds of work that each recipe has taken for one sample in one epoch: the median of its latest jobs."""
    rows = list(
        Job.objects.filter(status=Status.SUCCEEDED, recipe__in=list(RECIPES))
        .order_by("-pk")
        .values_list("pk", "recipe", "spec__params__epochs", "version__report__samples")[:LEARNT_FROM]
    )
    worked = work_of(Attempt.objects.filter(job__in=[row[0] for row in rows]), known, now=0.0)
    found: dict[str, list[float]] = defaultdict(list)
    for pk, recipe, epochs, samples in rows:
        work = worked.get(pk, (0.0, 0.0))[1]
        if epochs and samples and work > 0:
            found[recipe].append(work / (epochs * samples))
    return {recipe: median(values) for recipe, values in found.items()}
