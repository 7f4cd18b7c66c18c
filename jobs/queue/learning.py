"""How fast each model of accelerator is, learnt from what jobs took on it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from math import exp, log
from typing import Any, Final, NamedTuple

import numpy as np
from django.db.models import Count

from hardware.nodes import services as nodes
from hardware.nodes.found import FIRST_TERMS
from hardware.nodes.models import Accelerator, AcceleratorKind, SpeedFrom
from jobs.queue import estimates
from jobs.queue.models import Attempt
from jobs.queue.reasons import EndReason

LEARNT_FROM: Final = 1000  # the newest attempts
LEAST: Final = 5  # jobs on a model, before what is measured says more than what was guessed
ALIKE: Final = 0.1  # a speed that differs by less is left: each change has the whole queue weighed anew
# Standard deviations of logarithms: of a job about its recipe's pace, of the power with which time grows with a net's
# size about `estimates.POWER`; of speeds about what was guessed, of a CPU's about 1 (it is what others are told
# against), and of what a steward said.
NOISE, GROWTH = 0.3, 0.5
GUESSED, CPU, SAID = 1.5, 0.2, 0.01

Model = tuple[str, str]  # class and name


class Belief(NamedTuple):
    """The speed of a model before any job was seen on it, and the standard deviation of its logarithm."""

    speed: float
    deviation: float


class Seen(NamedTuple):
    """One job that ran to its end in one go: `pace_s` seconds for one sample in one epoch."""

    recipe: str
    model: Model
    pace_s: float
    macs: float


def learn() -> int:
    """Have the nodes know what was learnt; how many accelerators were corrected."""
    believed = _believed()
    return nodes.learn_speeds(fit(_seen(believed), believed), alike=ALIKE)


def _believed() -> dict[Model, Belief]:
    found: dict[Model, Belief] = {}
    rows = Accelerator.objects.filter(enabled=True).order_by("pk")
    for kind, model, speed, said in rows.values_list("kind", "model", "relative_speed", "speed_from"):
        if said == SpeedFrom.STEWARD:
            found[kind, model] = Belief(speed, SAID)
        else:
            first = FIRST_TERMS[AcceleratorKind(kind)].relative_speed
            found.setdefault((kind, model), Belief(first, CPU if kind == AcceleratorKind.CPU else GUESSED))
    return found


def fit(seen: Sequence[Seen], believed: Mapping[Model, Belief]) -> dict[Model, float]:
    """The speed of each model with `LEAST` jobs or more.

    ln(pace) = c + b · ln(MACs) − v + noise, with c and b of the recipe and v = ln(speed) of the model: the most likely
    values where v is normally distributed about what is believed, and b about `estimates.POWER` (maximum a posteriori,
    which is least squares with a row for each belief). A recipe that ran on one model only tells nothing of it.
    """
    counts = Counter(each.model for each in seen)
    models = sorted(counts)
    if len(models) <= 1:
        return {}
    speeds = _solved(seen, models, believed)
    return {model: speed for model, speed in zip(models, speeds, strict=True) if counts[model] >= LEAST}


def _solved(seen: Sequence[Seen], models: list[Model], believed: Mapping[Model, Belief]) -> list[float]:
    """Unknown are for each recipe its c and b, then for each of `models` its v."""
    recipes = sorted({each.recipe for each in seen})
    first = 2 * len(recipes)
    unknown = np.eye(first + len(models))
    rows, values = [], []
    for each in seen:
        at = 2 * recipes.index(each.recipe)
        row = unknown[at] + log(each.macs) * unknown[at + 1] - unknown[first + models.index(each.model)]
        rows.append(row / NOISE)
        values.append(log(each.pace_s) / NOISE)
    for recipe in range(len(recipes)):
        rows.append(unknown[2 * recipe + 1] / GROWTH)
        values.append(estimates.POWER / GROWTH)
    for number, model in enumerate(models):
        speed, deviation = believed[model]
        rows.append(unknown[first + number] / deviation)
        values.append(log(speed) / deviation)
    solved = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return [exp(each) for each in solved[first:]]


def _seen(models: Collection[Model]) -> list[Seen]:
    done = Attempt.objects.filter(end_reason=EndReason.DONE, started_at__isnull=False, job__macs__gt=0)
    done = done.exclude(job__accelerator=AcceleratorKind.FPGA)  # these build, too
    done = done.annotate(used=Count("accelerators")).filter(used=1, number=1).order_by("-pk")
    rows = done.values_list(
        "job__recipe", "job__spec__params__epochs", "job__version__report__samples", "job__macs",
        "accelerators__kind", "accelerators__model", "started_at", "ended_at",
    )[:LEARNT_FROM]  # fmt: skip
    return [found for row in rows if (found := _one(*row)) and found.model in models]


def _one(
    recipe: str,
    epochs: int | None,
    samples: int | None,
    macs: int | None,
    kind: str,
    model: str,
    began: Any,
    ended: Any,
) -> Seen | None:
    seconds = (ended - began).total_seconds()
    if not epochs or not samples or not macs or seconds <= 0:
        return None
    return Seen(recipe, (kind, model), seconds / (epochs * samples), float(macs))
