"""How much work jobs have had: seconds on whatever they ran on, as seconds on the fastest they may use."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Max, QuerySet

from hardware.nodes.models import Accelerator
from jobs.queue.kinds import usable
from jobs.queue.models import Attempt
from jobs.queue.places import place_of

ANY = "any"
SLOWEST = 1e-9


@dataclass(frozen=True)
class Speeds:
    """What accelerators do in a second. by_id: of each one; best: of the fastest of each place."""

    by_id: Mapping[str, float]
    best: Mapping[str, float]

    def fastest(self, classes: Collection[str]) -> float:
        """That of the fastest accelerator of these classes; 0 where there is none."""
        return max((self.best.get(each, 0.0) for each in classes), default=0.0)

    def fraction(self, classes: Collection[str], speed: float) -> float:
        """A speed over that of the fastest accelerator that a job may use; at most 1."""
        return min(1.0, speed / max(self.fastest(classes) or speed, SLOWEST))

    def relative(self, classes: Collection[str], accelerators: Collection[str]) -> float:
        """The same for what it runs on; a gang is as fast as its slowest member."""
        return self.fraction(classes, min((self.by_id.get(pk, 1.0) for pk in accelerators), default=1.0))


def speeds() -> Speeds:
    """Of all accelerators that are switched on, whether their nodes are up or not: a length does not hang on that."""
    rows = list(Accelerator.objects.filter(enabled=True).values_list("pk", "kind", "model", "relative_speed"))
    best: dict[str, float] = {}
    for _pk, kind, model, speed in rows:
        place = place_of(kind, model)
        best[place] = max(best.get(place, 0.0), speed)
    return Speeds({row[0]: row[-1] for row in rows}, best)


def work_of(attempts: QuerySet[Attempt], known: Speeds, *, now: float) -> dict[str, tuple[float, float]]:
    """(seconds run, seconds of work) of each job among these attempts; one that is open has run until `now`."""
    rows = (
        attempts.filter(started_at__isnull=False)
        .annotate(speed=Max("accelerators__relative_speed"))
        .values_list("job_id", "job__kind", "job__accelerator", "started_at", "ended_at", "speed")
        .order_by()
    )
    found: dict[str, tuple[float, float]] = {}
    for job, kind, asked, started, ended, speed in rows:
        assert started is not None  # noqa: S101 - for mypy: filtered so
        lasted = max(0.0, (ended.timestamp() if ended else now) - started.timestamp())
        ran, work = found.get(job, (0.0, 0.0))
        found[job] = (ran + lasted, work + lasted * known.fraction(usable(kind, asked), speed or 1.0))
    return found
