"""The time series of accelerators: readings for a day, then means of five minutes for a month."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from hardware.nodes.models import Accelerator, Node, NodeSample
from hardware.nodes.probe.sampling import EVERY_S, Reading

READINGS_LIVE = timedelta(hours=24)
MEANS_LIVE = timedelta(days=30)
MEAN_S = 300
POINTS = 360  # about as many as a chart has room for
MEASURES = ("utilisation", "memory_bytes", "temperature_c", "power_w")


class Point(NamedTuple):
    """A moment, or the mean of the step that begins then; None is what could not be read."""

    at: datetime
    utilisation: float | None
    memory_bytes: float | None
    temperature_c: float | None
    power_w: float | None


class Series(NamedTuple):
    """The points of one accelerator, oldest first."""

    accelerator: Accelerator
    points: list[Point]


def record(node: Node, readings: Sequence[Reading], *, takes_work: bool = True) -> None:
    """Enter what a node read just now, and whether it takes work. What is not among its accelerators is passed over."""
    if not readings:
        return
    rows = {(row.kind, row.index): row for row in node.accelerators.all()}
    NodeSample.objects.bulk_create(
        NodeSample(
            accelerator=rows[reading.kind, reading.index],
            at=Now(),
            takes_work=takes_work,
            **{name: getattr(reading, name) for name in MEASURES},
        )
        for reading in readings
        if (reading.kind, reading.index) in rows
    )


def thin_samples(now: datetime) -> int:
    """Make means of the readings that are a day old, and drop the means that are a month old; how many rows went."""
    until = _floor(now - READINGS_LIVE, MEAN_S)
    old = NodeSample.objects.filter(span_s=0, at__lt=until)
    known = list(old.order_by("accelerator").values_list("accelerator", flat=True).distinct())
    thinned = sum(_thin(old.filter(accelerator=pk), pk) for pk in known)
    dropped, _counts = NodeSample.objects.filter(span_s=MEAN_S, at__lt=now - MEANS_LIVE).delete()
    return thinned + dropped


@transaction.atomic
def _thin(readings: QuerySet[NodeSample], accelerator: str) -> int:
    worked = {_floor(at, MEAN_S) for at in readings.filter(takes_work=True).values_list("at", flat=True)}
    NodeSample.objects.bulk_create(
        (
            NodeSample(
                accelerator_id=accelerator,
                span_s=MEAN_S,
                takes_work=point.at in worked,
                **_whole(point)._asdict(),
            )
            for point in _means(_points(readings), MEAN_S)
        ),
        ignore_conflicts=True,
    )
    return readings.delete()[0]


def _whole(point: Point) -> Point:
    return point._replace(memory_bytes=None if point.memory_bytes is None else round(point.memory_bytes))


def fitting_step(since: datetime, until: datetime) -> int:
    """Seconds between points so that a chart of that time has room for them; a multiple of the readings' distance."""
    distance = int(EVERY_S)
    return max(1, -(-int((until - since).total_seconds()) // (POINTS * distance))) * distance


def series(node: Node, *, since: datetime, step_s: int) -> list[Series]:
    """The means of every `step_s` seconds since then, for each accelerator of the node that has any. Two queries."""
    rows = NodeSample.objects.filter(accelerator__node=node, at__gte=since).order_by("accelerator", "at")
    points: dict[str, list[Point]] = {}
    for pk, *values in rows.values_list("accelerator", "at", *MEASURES):
        points.setdefault(pk, []).append(Point(*values))
    return [
        Series(row, list(_means(points[row.pk], step_s)))
        for row in node.accelerators.order_by("kind", "index")
        if row.pk in points
    ]


def _points(rows: QuerySet[NodeSample]) -> Iterator[Point]:
    for values in rows.order_by("at").values_list("at", *MEASURES).iterator():
        yield Point(*values)


def _means(points: Iterable[Point], step_s: int) -> Iterator[Point]:
    for start, together in groupby(points, lambda point: _floor(point.at, step_s)):
        columns = list(zip(*together, strict=True))[1:]
        yield Point(start, *(_mean(column) for column in columns))


def _mean(values: Iterable[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _floor(at: datetime, step_s: int) -> datetime:
    seconds = at.timestamp()
    return datetime.fromtimestamp(seconds - seconds % step_s, UTC)


def seconds_of_work(node: Node, since: datetime, until: datetime) -> float:
    """How long a node took work between then and then, in steps of `MEAN_S`: the same before and after thinning."""
    rows = NodeSample.objects.filter(accelerator__node=node, takes_work=True, at__gte=since, at__lt=until)
    return float(MEAN_S * len({_floor(at, MEAN_S) for at in rows.values_list("at", flat=True).iterator()}))
