"""What one may use, and what is noted of what one used."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from jobs.scheduler.policy import DEFAULT
from portal.kit.errors import UserError
from portal.ledger import queries, registry, services, shares
from portal.ledger.models import GB, LedgerEntry, Quota
from portal.members.models import Member

HOUR = 3600.0


@pytest.fixture
def stored() -> Iterator[dict[str, int]]:
    """Bytes by username, as a room would count them."""
    sizes: dict[str, int] = {}

    def count(member: Member) -> int:
        return sizes.get(member.username, 0)

    registry.count_storage(count)
    yield sizes
    registry.STORAGE.pop(f"{count.__module__}.{count.__qualname__}")


def charge(
    member: Member, attempt: str, hours: float, *, kind: str = "cpu", refunded: bool = False
) -> LedgerEntry:
    return services.charge(
        member=member, attempt_id=attempt, kind=kind, device_seconds=hours * HOUR, refunded=refunded
    )


def test_without_a_row_the_defaults_hold(alice: Member) -> None:
    quota = queries.quota_of(alice)
    assert (quota.storage_bytes, quota.concurrent_jobs) == (20 * GB, 4)
    assert Quota.objects.count() == 0


def test_storage_that_would_not_fit_is_refused_in_figures(
    alice: Member, bob: Member, stored: dict[str, int]
) -> None:
    Quota.objects.create(member=alice, storage_bytes=10 * GB)
    stored["alice"] = 8 * GB
    services.check_storage(alice, 2 * GB)
    services.check_storage(bob, 3 * GB)
    with pytest.raises(UserError) as caught:
        services.check_storage(alice, 2 * GB + 1)
    assert caught.value.code == "quota_storage"
    assert caught.value.status == 403
    assert "needs 2,000,000,001 bytes, and 2,000,000,000 bytes of your 10,000,000,000" in caught.value.detail
    assert "Delete datasets or brought models" in caught.value.detail
    stored["alice"] = 11 * GB
    with pytest.raises(UserError, match=r"This needs 1 B, and 0 B of your 10\.0 GB .* has 11\.0 GB in use"):
        services.check_storage(alice, 1)


def test_a_size_is_the_same_figure_wherever_it_is_told(
    alice: Member, cora: Member, stored: dict[str, int], client_for: Callable[..., Client]
) -> None:
    """The default quota too: in the rail, on the account, in the refusal, in the stewards' table and their admin."""
    stored["alice"] = 1_540_000_000
    for path in ("/jobs", "/account"):
        page = client_for(alice).get(path).content.decode()
        assert "1.5 GB" in page
        assert "20.0 GB" in page
    assert "models that you brought" in client_for(alice).get("/account").content.decode()
    with pytest.raises(UserError, match=r"18\.5 GB of your 20\.0 GB are free: .* has 1\.5 GB in use"):
        services.check_storage(alice, 19 * GB)
    table = client_for(cora).get("/ledger/quotas").content.decode()
    assert f'name="{alice.pk}-storage_gb" value="20"' in table
    assert "Storage, GB" in table
    Quota.objects.create(member=alice, storage_bytes=1_540_000_000)
    assert (
        'value="1.54"' in client_for(cora).get(f"/admin/members/member/{alice.pk}/change/").content.decode()
    )


def test_an_attempt_is_charged_once(alice: Member) -> None:
    first = charge(alice, "a1", 1)
    again = charge(alice, "a1", 5)
    assert first == again
    assert queries.usage(alice).device_hours == {"cpu": 1.0, "gpu": 0.0, "tpu": 0.0, "fpga": 0.0}


def test_what_is_refunded_and_what_was_last_month_does_not_count(alice: Member, bob: Member) -> None:
    charge(alice, "a1", 1)
    charge(alice, "a2", 2, kind="gpu")
    charge(alice, "a3", 4, refunded=True)
    charge(bob, "b1", 8)
    old = charge(alice, "a4", 16)
    LedgerEntry.objects.filter(pk=old.pk).update(
        created_at=queries.month_start(timezone.now()) - timedelta(seconds=1)
    )
    assert queries.usage(alice).device_hours == {"cpu": 1.0, "gpu": 2.0, "tpu": 0.0, "fpga": 0.0}


def test_the_month_begins_at_midnight_of_its_first_day() -> None:
    now = datetime(2026, 11, 20, 19, 54, 3, 7, tzinfo=UTC)
    assert queries.month_start(now) == datetime(2026, 11, 1, tzinfo=UTC)


def test_zero_hours_of_a_class_means_it_may_not_be_used(alice: Member) -> None:
    quota = Quota.objects.create(member=alice, gpu_hours=0)
    services.check_may_use(alice, "cpu")
    services.check_may_use(alice, "any")
    with pytest.raises(UserError, match=r"no GPU: it has 0 GPU hours a month\. Choose another") as caught:
        services.check_may_use(alice, "gpu")
    assert caught.value.code == "quota_zero"
    quota.cpu_hours = quota.tpu_hours = quota.fpga_hours = 0
    quota.save()
    with pytest.raises(
        UserError, match=r"no accelerator at all: it has 0 hours a month of every class\. Ask"
    ):
        services.check_may_use(alice, "any")


def test_limits_of_many_members_come_in_one_query(
    alice: Member, bob: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=1)
    with django_assert_num_queries(1):
        limits = queries.concurrency_limits([alice.pk, bob.pk])
    assert limits == {alice.pk: 1, bob.pk: 4}


def test_shares_are_of_all_who_may_use_the_machine(alice: Member, bob: Member, cora: Member) -> None:
    Quota.objects.create(member=alice, share=2.0)
    assert queries.share_of(alice).share == pytest.approx(2 / 4)
    assert queries.share_of(bob).share == pytest.approx(1 / 4)
    Member.objects.filter(pk=cora.pk).update(is_active=False)
    assert queries.share_of(bob).share == pytest.approx(1 / 3)


def test_use_fades_by_half_in_a_week(alice: Member, bob: Member) -> None:
    charge(alice, "a1", 2)
    charge(bob, "b1", 1)
    LedgerEntry.objects.filter(attempt="a1").update(created_at=timezone.now() - timedelta(days=7))
    assert queries.share_of(alice).used_fraction == pytest.approx(0.5)
    assert queries.share_of(bob).used_fraction == pytest.approx(0.5)


def test_who_used_nothing_goes_first(alice: Member, bob: Member) -> None:
    assert queries.share_of(alice).used_fraction == 0.0
    charge(bob, "b1", 100)
    assert queries.share_of(alice).fair_factor > 1.0 > queries.share_of(bob).fair_factor


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1))
def test_the_factor_falls_with_use_and_is_never_wild(less: float, more: float, share: float) -> None:
    less, more = sorted((less, more))
    low, high = (shares.fair_factor(used, more, share) for used in (more, less))
    assert 0 < low <= high <= DEFAULT.fair_floor**-DEFAULT.fair_power
