"""With what chance a start range is said to hold: as often as those before it did."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.queue import outlook
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Outlook
from jobs.queue.outlook import Record
from jobs.scheduler import forecast, lifetable


@pytest.mark.parametrize(
    ("judged", "held", "chance"),
    [(0, 0, forecast.CONFIDENCE), (2000, 1000, 0.503), (20, 20, 0.9), (20, 0, 0.4)],
)
def test_the_record_counts_the_more_the_longer_it_is(judged: int, held: int, chance: float) -> None:
    assert Record(judged, held).confidence == pytest.approx(chance, abs=0.002)


def test_who_was_told_too_soon_a_start_makes_the_next_range_less_sure(
    submit: Callable[..., Job], start: Callable[..., Held]
) -> None:
    start(submit())
    waits = submit()

    def chance() -> float | None:
        outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
        return Outlook.objects.get(job=waits).confidence

    assert chance() == pytest.approx(forecast.CONFIDENCE)
    Outlook.objects.update(first_latest=timezone.now() - timedelta(minutes=1))
    assert chance() == pytest.approx(20 * forecast.CONFIDENCE / 21)
