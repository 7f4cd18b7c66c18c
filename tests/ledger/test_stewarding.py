"""Whatever a steward types in the admin goes through the services: with what was and what is in the audit log, and the
scheduler told.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.core import live
from portal.ledger import queries, services
from portal.ledger.models import GB, Quota, TeamShare
from portal.members.models import AuditEntry, Member, Team
from tests.members.filled import filled

pytestmark = pytest.mark.django_db
BELL = "scheduler"
Commits = Any


@pytest.fixture
def steward(cora: Member, client_for: Callable[..., Client]) -> Client:
    return client_for(cora)


@pytest.fixture
def rang(django_capture_on_commit_callbacks: Commits) -> Iterator[Callable[[Callable[[], object]], bool]]:
    """Whether the scheduler is woken by what is done."""

    def after(act: Callable[[], object]) -> bool:
        live.connection().delete(f"bell:{BELL}")
        with django_capture_on_commit_callbacks(execute=True):
            act()
        return live.wait_for(BELL, timeout_s=0.05)

    yield after
    live.connection().delete(f"bell:{BELL}")


def posted(client: Client, page: str, form: dict[str, Any]) -> Callable[[], None]:
    def act() -> None:
        assert client.post(page, form).status_code == 302

    return act


def noted() -> list[tuple[str, str, dict[str, Any]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "subject", "detail"))


def quota_form(member: Member, **changes: object) -> dict[str, Any]:
    row = Quota.objects.filter(member=member).first()
    values = {
        "member": member.pk, "share": "1", "storage_gb": "20", "concurrent_jobs": "4", "cpu_hours": "500",
        "gpu_hours": "100", "tpu_hours": "100", "fpga_hours": "100",
    } | ({"id": row.pk} if row else {})  # fmt: skip
    head = {"quota-TOTAL_FORMS": "1", "quota-INITIAL_FORMS": str(int(row is not None))}
    return head | {f"quota-0-{name}": value for name, value in (values | changes).items()}


def test_a_members_quota_and_its_removal(alice: Member, steward: Client, rang: Callable[..., bool]) -> None:
    page = f"/admin/members/member/{alice.pk}/change/"
    assert rang(posted(steward, page, quota_form(alice, share="2", storage_gb="30")))
    assert not rang(posted(steward, page, quota_form(alice, share="2", storage_gb="30")))
    assert rang(posted(steward, page, quota_form(alice, DELETE="on")))
    assert noted() == [
        (
            "quota.set",
            "alice",
            {"share": {"old": 1, "new": 2}, "storage_bytes": {"old": 20 * GB, "new": 30 * GB}},
        ),
        (
            "quota.reset",
            "alice",
            {"share": {"old": 2, "new": 1}, "storage_bytes": {"old": 30 * GB, "new": 20 * GB}},
        ),
    ]
    assert not Quota.objects.exists()


def test_looking_at_a_member_writes_nothing_of_them(alice: Member, steward: Client) -> None:
    """What is read and written back as it was would undo what happened in between."""
    form = {"quota-TOTAL_FORMS": "0", "quota-INITIAL_FORMS": "0"}
    with CaptureQueriesContext(connection) as done:
        posted(steward, f"/admin/members/member/{alice.pk}/change/", form)()
    assert not [each["sql"] for each in done if each["sql"].startswith('UPDATE "members_member"')]


def team_form(name: str, *members: Member, **share: object) -> dict[str, Any]:
    rows = {"machine_share-TOTAL_FORMS": "1", "machine_share-INITIAL_FORMS": "1" if "id" in share else "0"}
    shares = {f"machine_share-0-{field}": value for field, value in ({"share": "0.0"} | share).items()}
    return {"name": name, "members": [member.pk for member in members]} | rows | shares


def test_a_team_its_members_its_share_and_its_end(
    alice: Member, bob: Member, cora: Member, steward: Client, rang: Callable[..., bool]
) -> None:
    assert rang(posted(steward, "/admin/members/team/add/", team_form("bees", alice, share="2")))
    team = Team.objects.get()
    before = queries.entitlements()[bob.pk]
    row, page = TeamShare.objects.get(), f"/admin/members/team/{team.pk}/change/"
    same = {"id": row.pk, "team": team.pk, "share": "2.0"}
    assert rang(posted(steward, page, team_form("wasps", alice, bob, **same)))
    assert queries.entitlements()[bob.pk] > before
    assert not rang(posted(steward, page, team_form("wasps", alice, bob, **same)))
    assert rang(posted(steward, page, team_form("wasps", alice, bob, **(same | {"DELETE": "on"}))))
    assert rang(posted(steward, f"/admin/members/team/{team.pk}/delete/", {"post": "yes"}))
    both = ["alice", "bob"]
    assert noted() == [
        ("team.made", "bees", {"name": {"old": "", "new": "bees"}, "members": {"old": [], "new": ["alice"]}}),
        ("team_share.set", "bees", {"share": {"old": 0, "new": 2}}),
        (
            "team.changed",
            "wasps",
            {"name": {"old": "bees", "new": "wasps"}, "members": {"old": ["alice"], "new": both}},
        ),
        ("team_share.set", "wasps", {"share": {"old": 2, "new": 0}}),
        ("team.deleted", "wasps", {"members": {"old": both, "new": []}}),
    ]
    assert not Team.objects.exists()


def test_several_teams_are_deleted_at_once(cora: Member, steward: Client, rang: Callable[..., bool]) -> None:
    rows = [Team.objects.create(name=name) for name in ("bees", "wasps")]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    assert rang(posted(steward, "/admin/members/team/", chosen))
    assert {(action, subject) for action, subject, _detail in noted()} == {
        ("team.deleted", "bees"),
        ("team.deleted", "wasps"),
    }


def test_a_stale_page_of_a_member_undoes_nothing(alice: Member, cora: Member, steward: Client) -> None:
    quota, page = Quota.objects.create(member=alice), f"/admin/members/member/{alice.pk}/change/"
    stale = filled(steward.get(page).content.decode())
    quota.gpu_hours = 7.0
    services.set_quota(quota=quota, actor=cora)
    posted(steward, page, stale)()
    typed = stale | {"quota-0-cpu_hours": "1"}
    told = steward.post(page, typed, follow=True).content.decode()
    assert "Another steward has changed the row of alice" in told
    quota.refresh_from_db()
    assert (quota.gpu_hours, quota.cpu_hours) == (7.0, 500.0)
    fresh = filled(steward.get(page).content.decode())
    posted(steward, page, fresh | {"quota-0-cpu_hours": "1", "quota-0-storage_gb": "30"})()
    quota.refresh_from_db()
    assert (quota.gpu_hours, quota.cpu_hours, quota.storage_bytes) == (7.0, 1.0, 30 * GB)


def test_a_stale_page_of_a_team_undoes_nothing(alice: Member, cora: Member, steward: Client) -> None:
    team = Team.objects.create(name="bees")
    team.members.set([alice])
    services.set_team_share(team=team, share=2.0, actor=cora)
    page = f"/admin/members/team/{team.pk}/change/"
    stale = filled(steward.get(page).content.decode()) | {"members": [alice.pk]}
    services.set_team_share(team=team, share=5.0, actor=cora)
    posted(steward, page, stale)()
    told = steward.post(page, stale | {"machine_share-0-share": "3"}, follow=True).content.decode()
    assert "Another steward has changed the row of bees" in told
    assert queries.team_share(team) == 5.0
    fresh = filled(steward.get(page).content.decode()) | {"members": [alice.pk]}
    posted(steward, page, fresh | {"machine_share-0-share": "3"})()
    assert queries.team_share(team) == 3.0
