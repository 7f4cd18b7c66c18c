"""Leases: one holder, fenced by an epoch."""

import pytest

from portal.core import leases
from portal.core.models import Lease
from portal.kit import identity

pytestmark = pytest.mark.django_db


def test_only_one_holder_gets_a_lease() -> None:
    rows = leases.named("leader")
    assert leases.take(rows, holder="a", ttl_s=30) == 1
    assert leases.take(rows, holder="b", ttl_s=30) is None


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_is_fenced_off() -> None:
    rows = leases.named("leader")
    first = leases.take(rows, holder="a", ttl_s=-1)
    assert first == 1
    assert leases.take(rows, holder="b", ttl_s=30) == 2
    with pytest.raises(leases.StaleLease):
        leases.renew(rows, epoch=first, ttl_s=30)


def test_a_lease_given_back_is_free_at_once() -> None:
    rows = leases.named("leader")
    epoch = leases.take(rows, holder="a", ttl_s=30)
    assert epoch is not None
    assert leases.give_back(rows, epoch=epoch)
    assert leases.take(rows, holder="b", ttl_s=30) == epoch + 1


def test_a_lease_of_a_process_that_is_gone_need_not_run_out() -> None:
    where, pid, born = identity.me().split("/")
    rows, others = leases.named("leader"), leases.named("other")
    leases.take(rows, holder=f"{where}/{pid}/{int(born) - 1}", ttl_s=30)
    leases.take(others, holder=identity.me(), ttl_s=30)
    assert leases.give_back_for_the_dead(Lease.objects.all()) == 1
    assert leases.take(rows, holder="b", ttl_s=30) == 2
    assert leases.take(others, holder="b", ttl_s=30) is None
