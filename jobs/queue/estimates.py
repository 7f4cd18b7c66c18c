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


def samples_of(versions: Collection[str | None]) -> dict[str, int | None]:
    """How many samples these versions have."""
    wanted = {pk for pk in versions if pk}
    return dict(Version.objects.filter(pk__in=wanted).values_list("pk", "report__samples"))


def size(params: Mapping[str, Any], samples: int | None) -> float:
    """What a whole job goes through: epochs times samples; NaN where either is not known."""
    return float((params.get("epochs") or np.nan) * (samples or np.nan))


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
