"""Maintenance windows: a node drains, is worked on, and is back; what a steward set by hand stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from rest_framework.test import APIClient

from hardware.nodes import services, windows
from hardware.nodes.models import MaintenanceWindow, Node, NodeState
from hardware.nodes.windows import open_and_close_windows
from portal.members.models import AuditEntry, Member
from tests.nodes.conftest import CPU, registered

pytestmark = pytest.mark.django_db
TEN = datetime(2026, 5, 20, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def planned(
    node: Node, *, start: datetime = TEN, end: datetime = TEN + HOUR, before: int = 30
) -> MaintenanceWindow:
    return MaintenanceWindow.objects.create(
        node=node, starts_at=start, ends_at=end, reason="new disks", drain_before_min=before
    )


def state(node: Node, minutes: float) -> str:
    """So many minutes after ten."""
    open_and_close_windows(TEN + timedelta(minutes=minutes))
    node.refresh_from_db()
    return node.state


def test_it_drains_is_worked_on_and_is_back(mill: Node) -> None:
    planned(mill)
    assert [state(mill, minutes) for minutes in (-31, -30, -1, 0, 59, 60, 90)] == [
        "active", "draining", "draining", "maintenance", "maintenance", "active", "active"
    ]  # fmt: skip
    moves = AuditEntry.objects.order_by("id").values_list("actor", "action", "detail")
    assert [(actor, action, detail["new"]) for actor, action, detail in moves] == [
        (None, "node.state", "draining"), (None, "node.state", "maintenance"), (None, "node.state", "active")
    ]  # fmt: skip


def test_a_chore_that_comes_late_does_what_is_due_now(mill: Node) -> None:
    planned(mill)
    assert state(mill, 20) == "maintenance"
    assert state(mill, 500) == "active"


def test_windows_that_meet_or_overlap_are_one(mill: Node) -> None:
    planned(mill)
    planned(mill, start=TEN + HOUR, end=TEN + 2 * HOUR)
    assert [state(mill, minutes) for minutes in (-10, 30, 59, 60, 119, 120)] == [
        "draining", "maintenance", "maintenance", "maintenance", "maintenance", "active"
    ]  # fmt: skip


@pytest.mark.parametrize("by_hand", [NodeState.DRAINING, NodeState.MAINTENANCE])
def test_what_a_steward_took_out_before_stays_out(by_hand: NodeState, mill: Node, cora: Member) -> None:
    planned(mill)
    services.set_state(mill, by_hand, cora)
    assert {state(mill, minutes) for minutes in (-10, 10, 70)} == {by_hand}


def test_what_a_steward_puts_back_meanwhile_stays_in(mill: Node, cora: Member) -> None:
    planned(mill)
    assert state(mill, 10) == "maintenance"
    services.set_state(mill, NodeState.ACTIVE, cora)
    assert {state(mill, minutes) for minutes in (11, 59, 61)} == {"active"}
    planned(mill, start=TEN + 5 * HOUR, end=TEN + 6 * HOUR)
    assert state(mill, 310) == "maintenance"  # the next one counts again


def test_a_steward_who_confirms_a_windows_state_keeps_it(mill: Node, cora: Member) -> None:
    planned(mill)
    assert state(mill, 10) == "maintenance"
    services.set_state(mill, NodeState.MAINTENANCE, cora)
    assert state(mill, 70) == "maintenance"


def test_a_node_that_is_switched_off_meanwhile_comes_back_into_the_window(mill: Node) -> None:
    planned(mill)
    services.leave(mill)
    assert state(mill, 10) == "maintenance"
    assert registered(CPU).state == NodeState.MAINTENANCE
    services.heartbeat(mill, {})
    assert [state(mill, 20), state(mill, 60)] == ["maintenance", "active"]


def test_a_silent_node_is_offline_soon_after_its_window(mill: Node) -> None:
    planned(mill)
    assert [state(mill, 10), state(mill, 60)] == ["maintenance", "active"]
    Node.objects.update(last_seen_at=TEN)
    assert services.mark_silent(TEN + HOUR) == 1


def test_other_nodes_are_left_alone(mill: Node) -> None:
    other = registered(CPU, name="mill-2")
    planned(mill)
    assert state(mill, 10) == "maintenance"
    other.refresh_from_db()
    assert other.state == "active"


def test_a_cancelled_window_lets_go_at_once(mill: Node, cora: Member) -> None:
    window = planned(mill)
    assert state(mill, 10) == "maintenance"
    windows.cancel(window, cora)
    mill.refresh_from_db()
    assert (mill.state, mill.window) == ("active", None)
    assert state(mill, 20) == "active"


def test_a_window_ends_after_it_starts(mill: Node) -> None:
    with pytest.raises(IntegrityError):
        planned(mill, end=TEN)


def test_a_node_goes_with_its_windows(mill: Node) -> None:
    planned(mill)
    state(mill, 10)
    mill.delete()
    assert not MaintenanceWindow.objects.exists()


class TestAnyCourse(TestCase):
    """Whatever windows there are, and whenever the chore runs: out of service within them, in service outside."""

    @given(
        spans=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 90), st.integers(0, 60)), max_size=4),
        looks=st.lists(st.integers(-70, 500), min_size=1, max_size=8),
    )
    def test_course(self, spans: list[tuple[int, int, int]], looks: list[int]) -> None:
        node = registered(CPU)
        minute = timedelta(minutes=1)
        for start, length, before in spans:
            planned(node, start=TEN + start * minute, end=TEN + (start + length) * minute, before=before)
        for now in sorted(looks):
            within = any(start <= now < start + length for start, length, _before in spans)
            near = any(start - before <= now < start + length for start, length, before in spans)
            wanted = {"maintenance"} if within else {"draining", "maintenance"} if near else {"active"}
            assert state(node, now) in wanted


class TestShown:
    def soon(self, node: Node) -> MaintenanceWindow:
        now = timezone.now()
        MaintenanceWindow.objects.create(
            node=node, starts_at=now - 2 * HOUR, ends_at=now - HOUR, reason="over"
        )
        return MaintenanceWindow.objects.create(
            node=node, starts_at=now + HOUR, ends_at=now + 2 * HOUR, reason="<b>dust</b>"
        )

    def test_in_the_api_until_it_is_over(
        self, mill: Node, alice: Member, api_for: Callable[..., APIClient]
    ) -> None:
        window = self.soon(mill)
        (shown,) = api_for(alice).get("/api/v1/nodes").json()[0]["maintenance"]
        assert (shown["id"], shown["reason"], shown["drain_before_min"]) == (window.pk, "<b>dust</b>", 30)

    @pytest.mark.parametrize("path", ["/machine", "/machine/nodes/{pk}"])
    def test_on_the_pages(
        self, path: str, mill: Node, alice: Member, client_for: Callable[..., Client]
    ) -> None:
        self.soon(mill)
        page = client_for(alice).get(path.format(pk=mill.pk)).content.decode()
        assert "because: &lt;b&gt;dust&lt;/b&gt;" in page
        assert "over" not in page.split("because:")[1][:40]

    def test_by_as_many_queries_however_many(
        self, mill: Node, alice: Member, client_for: Callable[..., Client]
    ) -> None:
        client = client_for(alice)
        self.soon(mill)
        client.get("/machine")
        with CaptureQueriesContext(connection) as one:
            client.get("/machine")
        for number in range(4):
            self.soon(registered(CPU, name=f"mill-{number + 2}"))
        with CaptureQueriesContext(connection) as five:
            client.get("/machine")
        assert len(one) == len(five)

    def test_stewards_plan_and_cancel_by_the_api(
        self, mill: Node, alice: Member, cora: Member, api_for: Callable[..., APIClient]
    ) -> None:
        path, cora_s, alice_s = f"/api/v1/nodes/{mill.pk}/windows", api_for(cora), api_for(alice)
        body = {"starts_at": "2100-01-01T10:00:00Z", "ends_at": "2100-01-01T11:00:00Z", "reason": "dust"}
        assert alice_s.post(path, body).status_code == 403
        answer = cora_s.post(path, body)
        assert (answer.status_code, answer.json()["drain_before_min"]) == (201, 30)
        assert alice_s.get(path).json() == [answer.json()]
        assert alice_s.get(f"/api/v1/nodes/{mill.pk}").json()["maintenance"] == [answer.json()]
        one = f"{path}/{answer.json()['id']}"
        assert alice_s.delete(one).status_code == 403
        other = registered(CPU, name="mill-2")
        assert cora_s.delete(one.replace(mill.pk, other.pk)).status_code == 404
        assert (cora_s.delete(one).status_code, cora_s.get(path).json()) == (204, [])
        actions = AuditEntry.objects.order_by("id").values_list("actor", "action", "subject")
        assert list(actions) == [
            (cora.pk, "maintenance.planned", "mill-1"), (cora.pk, "maintenance.cancelled", "mill-1")
        ]  # fmt: skip

    def test_cancelled_by_the_api_the_node_is_back_at_once(
        self, mill: Node, cora: Member, api_for: Callable[..., APIClient]
    ) -> None:
        window = planned(mill)
        assert state(mill, 10) == "maintenance"
        assert api_for(cora).delete(f"/api/v1/nodes/{mill.pk}/windows/{window.pk}").status_code == 204
        mill.refresh_from_db()
        assert mill.state == "active"

    @pytest.mark.parametrize(
        ("change", "field", "words"),
        [
            ({"ends_at": "2100-01-01T10:00:00Z"}, "ends_at", "It has to end after it starts."),
            (
                {"starts_at": "2020-01-01T10:00:00Z", "ends_at": "2020-01-01T11:00:00Z"},
                "ends_at",
                "over already",
            ),
            ({"starts_at": "soon"}, "starts_at", ""),
            ({"reason": ""}, "reason", ""),
            ({"drain_before_min": -1}, "drain_before_min", ""),
        ],
    )
    def test_what_is_no_window(
        self,
        change: dict[str, object],
        field: str,
        words: str,
        mill: Node,
        cora: Member,
        api_for: Callable[..., APIClient],
    ) -> None:
        body = {"starts_at": "2100-01-01T10:00:00Z", "ends_at": "2100-01-01T11:00:00Z", "reason": "dust"}
        answer = api_for(cora).post(f"/api/v1/nodes/{mill.pk}/windows", body | change)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"]) == (400, field)
        assert words in error["detail"]
        assert not MaintenanceWindow.objects.exists()

    def test_stewards_plan_and_cancel_in_the_admin(
        self, mill: Node, cora: Member, client_for: Callable[..., Client]
    ) -> None:
        client = client_for(cora)
        form = {
            "node": mill.pk, "reason": "dust", "drain_before_min": 10,
            "starts_at_0": "2030-01-01", "starts_at_1": "10:00", "ends_at_0": "2030-01-01", "ends_at_1": "09:00",
        }  # fmt: skip
        page = "/admin/nodes/maintenancewindow/add/"
        assert "It has to end after it starts." in client.post(page, form).content.decode()
        assert client.post(page, form | {"ends_at_1": "11:00"}).status_code == 302
        window = MaintenanceWindow.objects.get()
        client.post(f"/admin/nodes/maintenancewindow/{window.pk}/delete/", {"post": "yes"})
        actions = AuditEntry.objects.order_by("id").values_list("action", "subject")
        assert list(actions) == [("maintenance.planned", "mill-1"), ("maintenance.cancelled", "mill-1")]
        assert not MaintenanceWindow.objects.exists()
