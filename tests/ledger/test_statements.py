"""A month in figures: a member's statement, the community's cost, and that entries stand."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.kit.errors import UserError
from portal.kit.spreadsheets import csv_text
from portal.ledger import queries, services, statements
from portal.ledger.models import LedgerEntry, Quota
from portal.ledger.services import Cost
from portal.members.models import Member

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def charge(member: Member, attempt: str, hours: float, *, weight: float = 1.0, **more: Any) -> LedgerEntry:
    energy = {name: more.pop(name) for name in ("energy_kwh", "energy_measured", "node") if name in more}
    given_ = {"kind": "cpu", "refunded": False} | more
    return services.charge(
        member=member,
        attempt_id=attempt,
        device_seconds=hours * 3600,
        cost=Cost(weight=weight, **energy),
        **given_,
    )


def this_month() -> statements.Month:
    return statements.parse_month("", now=timezone.now())


def test_months_end_where_the_next_begins() -> None:
    december = statements.parse_month("2026-12", now=NOW)
    assert (december.end.year, december.end.month) == (2027, 1)
    assert december.before.name == "2026-11"
    assert statements.parse_month("2026-01", now=NOW).before.name == "2025-12"
    assert statements.parse_month("", now=NOW).name == "2026-11"


@pytest.mark.parametrize("text", ["november", "2026-13", "2026", "9999-12", "0000-01", "2026-11-01"])
def test_what_is_no_month_is_refused_in_words(text: str) -> None:
    with pytest.raises(UserError, match="Write the month as in 2026-11"):
        statements.parse_month(text, now=NOW)


def test_a_statement_adds_up_and_what_is_refunded_is_listed_and_not_counted(
    alice: Member, bob: Member
) -> None:
    charge(alice, "a", 2.0, weight=3.0, energy_kwh=0.5, energy_measured=True)
    charge(alice, "b", 1.0, kind="gpu", weight=10.0, energy_kwh=0.25)
    charge(alice, "c", 5.0, refunded=True, energy_kwh=9.0)
    charge(bob, "d", 7.0)
    found = statements.statement(alice, this_month())
    assert [entry.attempt for entry in found.entries] == ["c", "b", "a"]
    assert (found.hours["cpu"], found.hours["gpu"]) == (pytest.approx(2.0), pytest.approx(1.0))
    assert found.weighted_hours == pytest.approx(16.0)
    assert found.refunded_hours == pytest.approx(5.0)
    assert (found.energy_kwh, found.energy_measured) == (pytest.approx(0.75), False)
    assert statements.statement(alice, this_month().before).entries == []


def test_quotas_count_hours_and_fairness_counts_them_by_their_weight(alice: Member, bob: Member) -> None:
    charge(alice, "a", 2.0, weight=3.0)
    charge(bob, "b", 2.0, weight=1.0)
    assert queries.usage(alice).device_hours["cpu"] == pytest.approx(2.0)
    standing = queries.standing([alice.pk, bob.pk])
    assert standing[alice.pk].used_s == pytest.approx(3 * standing[bob.pk].used_s)
    assert queries.share_of(alice).used_fraction == pytest.approx(0.75)


def test_the_cost_goes_by_weighted_hours_and_adds_up_to_the_cent(
    alice: Member, bob: Member, cora: Member
) -> None:
    for member in (alice, bob, cora):
        charge(member, member.username, 1.0)
    charge(alice, "refunded", 50.0, refunded=True)
    parts = statements.cost_split(this_month(), 10_000)
    assert [(part.username, part.cents) for part in parts] == [("alice", 3334), ("bob", 3333), ("cora", 3333)]
    assert statements.cost_split(this_month().before, 10_000) == []


@given(st.integers(0, 10**12), st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=50))
def test_any_cost_is_divided_to_the_cent_and_nobody_is_off_by_one(cents: int, used: list[float]) -> None:
    shares = [hours / sum(used) for hours in used]
    parts = statements.divided(cents, shares)
    assert sum(parts) == cents
    assert all(abs(part - cents * share) <= 1 for part, share in zip(parts, shares, strict=True))


def test_an_entry_stands(alice: Member) -> None:
    entry = charge(alice, "a", 1.0)
    entry.device_seconds = 0.0
    with pytest.raises(RuntimeError, match="only added to"):
        entry.save()
    with pytest.raises(RuntimeError, match="only added to"):
        entry.delete()
    charge(alice, "a", 9.0)
    assert LedgerEntry.objects.get().hours == pytest.approx(1.0)


def test_my_statement_by_api(alice: Member, bob: Member, api_for: Callable[..., Any]) -> None:
    charge(alice, "a", 2.0, weight=2.0, node="mill-1")
    charge(bob, "b", 1.0)
    told = api_for(alice).get("/api/v1/me/statement").json()
    assert (told["hours"]["cpu"], told["weighted_hours"], len(told["entries"])) == (2.0, 4.0, 1)
    assert told["entries"][0]["node"] == "mill-1"
    wrong = api_for(alice).get("/api/v1/me/statement?month=then")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "month")


def test_pages_and_csv(alice: Member, cora: Member, client_for: Callable[..., Client]) -> None:
    charge(alice, "a", 2.0, node="=cmd|calc")
    page = client_for(alice).get("/ledger")
    assert "Statement for" in page.content.decode()
    rows = list(csv.DictReader(io.StringIO(client_for(alice).get("/ledger/statement.csv").content.decode())))
    assert (rows[0]["device_hours"], rows[0]["node"]) == ("2.0", "'=cmd|calc")
    split = client_for(cora).get("/ledger/costs?cost=12.50").content.decode()
    assert "12.50" in split
    assert "alice" in split
    assert "Write the cost as a number" in client_for(cora).get("/ledger/costs?cost=much").content.decode()
    assert client_for(cora).get("/ledger/costs.csv?cost=much").status_code == 400
    assert (
        client_for(cora).get("/ledger/costs.csv?cost=12.50").content.decode().splitlines()[1]
        == "alice,2.0,1.0,12.5"
    )


def test_the_csv_tells_when_an_attempt_began_and_what_was_given(
    alice: Member, client_for: Callable[..., Client]
) -> None:
    began = timezone.now().replace(microsecond=0)
    cost = Cost(weight=2.0, node="mill-1", began_at=began, ended_at=began)
    services.charge(member=alice, attempt_id="a", kind="gpu", device_seconds=3600, refunded=False, cost=cost)
    services.enter_donation(member=alice, node="=mill", day=began.date(), node_seconds=5400, weight=11.0)
    rows = list(csv.DictReader(io.StringIO(client_for(alice).get("/ledger/statement.csv").content.decode())))
    assert [(row["began"], row["device_hours"], row["given_hours"], row["weight"]) for row in rows] == [
        (began.isoformat(), "1.0", "", "2.0"),
        ("", "", "1.5", "11.0"),
    ]
    assert (rows[1]["time"], rows[1]["node"]) == (began.date().isoformat(), "'=mill")


@given(st.text(max_size=20))
def test_no_cell_is_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_text(["a"], [[text, -1.5]]))))
    assert not rows[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert rows[1][1] == "-1.5"


def test_every_page_says_what_i_use_and_may_use(alice: Member, client_for: Callable[..., Client]) -> None:
    """Of each class that is open to me, the month's hours."""
    Quota.objects.create(member=alice, storage_bytes=3_000_000, concurrent_jobs=7, gpu_hours=0, tpu_hours=0.5)
    charge(alice, "a", 2.25)
    for path in ("/", "/datasets", "/jobs", "/models", "/machine", "/account", "/ledger"):
        page = client_for(alice).get(path).content.decode()
        mine = page.split('class="my-quota')[1].split("</a>")[0]
        told = re.findall(r"<span>(.+?)</span><span class=\"number\">(.+?)</span>", mine)
        assert told == [
            ("Storage", "0 B / 3.0 MB"),
            ("Jobs", "0 / 7"),
            ("CPU hours", "2.3 / 500"),
            ("TPU hours", "0 / 0.5"),
            ("FPGA hours", "0 / 100"),
        ], path
