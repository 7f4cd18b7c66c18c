"""Time series of accelerators: recorded by heartbeats, thinned with age, given to charts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from hardware.nodes import samples, services
from hardware.nodes.models import Accelerator, Node, NodeSample
from hardware.nodes.probe.sampling import Reading
from hardware.nodes.samples import MEAN_S, fitting_step, thin_samples
from portal.members.models import Member

pytestmark = pytest.mark.django_db
Api = Callable[[Member], APIClient]
NOW = datetime(2026, 5, 20, 12, 0, 7, tzinfo=UTC)


def read(node: Node, kind: str, at: datetime, *, span_s: int = 0, **measures: float | None) -> NodeSample:
    return NodeSample.objects.create(
        accelerator=node.accelerators.get(kind=kind), at=at, span_s=span_s, **measures
    )


def test_a_heartbeat_brings_readings_by_the_databases_clock(mill: Node) -> None:
    readings = [
        Reading("cpu", 0, utilisation=0.5, memory_bytes=9),
        Reading("gpu", 0, power_w=120.5, temperature_c=61.0),
        Reading("gpu", 5, utilisation=1.0),  # plugged in since the worker started
    ]
    services.heartbeat(mill, {}, readings=readings)
    columns = ("accelerator__kind", "span_s", "utilisation", "memory_bytes", "temperature_c", "power_w")
    assert list(NodeSample.objects.order_by("accelerator__kind").values_list(*columns)) == [
        ("cpu", 0, 0.5, 9, None, None),
        ("gpu", 0, None, None, 61.0, 120.5),
    ]
    assert abs(NodeSample.objects.latest("at").at - timezone.now()) < timedelta(seconds=5)


def test_a_beat_without_readings_enters_none(mill: Node) -> None:
    services.heartbeat(mill, {})
    assert not NodeSample.objects.exists()


def test_readings_become_means_after_a_day_and_go_after_a_month(mill: Node) -> None:
    day = timedelta(hours=24)
    start = datetime(2026, 5, 19, 11, 50, tzinfo=UTC)
    for seconds, busy in ((0, 0.0), (15, 1.0), (299, None), (300, 0.25)):
        read(mill, "cpu", start + timedelta(seconds=seconds), utilisation=busy, memory_bytes=seconds)
    read(mill, "gpu", start + timedelta(seconds=10), power_w=50.0)
    fresh = read(mill, "cpu", NOW - day + timedelta(seconds=1), utilisation=0.9)
    read(mill, "cpu", NOW - timedelta(days=30, seconds=1), span_s=MEAN_S, utilisation=0.1)
    kept = read(mill, "cpu", NOW - timedelta(days=29), span_s=MEAN_S, utilisation=0.2)
    assert thin_samples(NOW) == 6
    means = NodeSample.objects.exclude(pk__in=[fresh.pk, kept.pk]).order_by("accelerator__kind", "at")
    shown = means.values_list("accelerator__kind", "at", "span_s", "utilisation", "memory_bytes", "power_w")
    assert list(shown) == [
        ("cpu", start, MEAN_S, 0.5, 105, None),
        ("cpu", start + timedelta(seconds=300), MEAN_S, 0.25, 300, None),
        ("gpu", start, MEAN_S, None, None, 50.0),
    ]
    assert NodeSample.objects.filter(pk__in=[fresh.pk, kept.pk]).count() == 2
    assert thin_samples(NOW) == 0


def test_five_minutes_are_thinned_whole_or_not_yet(mill: Node) -> None:
    """However often it is done: a mean is made once, of all its readings."""
    start = datetime(2026, 5, 19, 12, 0, tzinfo=UTC)
    for number in range(40):
        read(mill, "cpu", start + timedelta(seconds=15 * number), utilisation=number / 40)
    for minute in range(14):
        thin_samples(start + timedelta(hours=24, minutes=minute))
    means = list(
        NodeSample.objects.filter(span_s=MEAN_S).order_by("at").values_list("utilisation", flat=True)
    )
    assert means == pytest.approx([sum(range(20)) / 20 / 40, sum(range(20, 40)) / 20 / 40])
    assert NodeSample.objects.count() == 2


def test_what_is_removed_takes_its_series_along(mill: Node) -> None:
    read(mill, "gpu", NOW)
    Accelerator.objects.filter(kind="gpu").delete()
    assert not NodeSample.objects.exists()


@given(st.integers(0, 40 * 86_400))
def test_a_chart_gets_as_many_points_as_it_has_room_for(seconds: int) -> None:
    step = fitting_step(NOW - timedelta(seconds=seconds), NOW)
    assert step % 15 == 0
    assert seconds / step <= samples.POINTS
    assert step == 15 or seconds / (step - 15) > samples.POINTS


class TestApi:
    def test_the_last_hour_by_itself(self, mill: Node, alice: Member, api_for: Api) -> None:
        now = timezone.now()
        read(mill, "cpu", now - timedelta(minutes=70), utilisation=1.0)
        for ago in (40, 20, 5):
            read(mill, "cpu", now - timedelta(seconds=ago), utilisation=ago / 100, memory_bytes=ago)
        read(mill, "gpu", now - timedelta(seconds=5), temperature_c=50.0)
        said = api_for(alice).get(f"/api/v1/nodes/{mill.pk}/samples").json()
        assert said["step_s"] == 15
        cpu, gpu = said["series"]
        assert (cpu["kind"], cpu["index"], cpu["title"], cpu["accelerator"]) == (
            "cpu", 0, "CPU 0", mill.accelerators.get(kind="cpu").pk
        )  # fmt: skip
        assert [point["utilisation"] for point in cpu["points"]] == [0.4, 0.2, 0.05]
        assert gpu["points"][0] | {"at": ""} == {
            "at": "", "utilisation": None, "memory_bytes": None, "temperature_c": 50.0, "power_w": None
        }  # fmt: skip

    def test_since_and_step_are_kept_to(self, mill: Node, alice: Member, api_for: Api) -> None:
        for number in range(8):
            read(
                mill, "cpu", NOW.replace(second=0) + timedelta(seconds=15 * number), utilisation=float(number)
            )
        since = (NOW.replace(second=0) + timedelta(seconds=15)).isoformat()
        said = api_for(alice).get(f"/api/v1/nodes/{mill.pk}/samples", {"since": since, "step": 60}).json()
        assert said["step_s"] == 60
        assert [(point["at"], point["utilisation"]) for point in said["series"][0]["points"]] == [
            ("2026-05-20T12:00:00Z", 2.0), ("2026-05-20T12:01:00Z", 5.5)
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "query",
        [
            {"since": "yesterday"},
            {"step": 0},
            {"step": "x"},
            {"step": 90_000},
            {"since": "0001-01-01T00:00+14:00"},
        ],
    )
    def test_nonsense_is_a_problem(
        self, query: dict[str, str], mill: Node, alice: Member, api_for: Api
    ) -> None:
        answer = api_for(alice).get(f"/api/v1/nodes/{mill.pk}/samples", query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")

    @pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    def test_far_away_times_are_just_times(self, since: str, mill: Node, alice: Member, api_for: Api) -> None:
        assert api_for(alice).get(f"/api/v1/nodes/{mill.pk}/samples", {"since": since}).status_code == 200

    def test_as_many_queries_for_a_thousand_points_as_for_one(
        self, mill: Node, alice: Member, api_for: Api
    ) -> None:
        client, path, now = api_for(alice), f"/api/v1/nodes/{mill.pk}/samples", timezone.now()
        read(mill, "cpu", now, utilisation=0.1)
        client.get(path)
        with CaptureQueriesContext(connection) as one:
            client.get(path)
        rows = [
            NodeSample(accelerator=row, at=now - timedelta(seconds=n))
            for row in mill.accelerators.all()
            for n in range(1, 500)
        ]
        NodeSample.objects.bulk_create(rows)
        with CaptureQueriesContext(connection) as many:
            assert len(client.get(path).json()["series"]) == 2
        assert len(one) == len(many)
