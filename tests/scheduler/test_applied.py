"""Where a plan leads: worked out at once, and as it would be applied one by one."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings

from jobs.scheduler.applied import once_applied, rows_of
from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import NOWHERE, Ints, Snapshot
from tests.scheduler.snapshots import snapshots
from tests.scheduler.test_plan import FULL, after


def together(pool: Ints, unit: Ints) -> set[frozenset[int]]:
    """Those who are on one accelerator."""
    found: dict[tuple[int, int], set[int]] = defaultdict(set)
    for job in np.flatnonzero(unit != NOWHERE):
        found[int(pool[job]), int(unit[job])].add(int(job))
    return {frozenset(each) for each in found.values() if len(each) > 1}


@given(snapshots(), FULL)
@settings(max_examples=100, deadline=None)
def test_it_leads_where_applying_it_one_by_one_leads(machine: Snapshot, full: bool) -> None:
    made = plan(machine, full=full)
    then, (pool, unit) = after(machine, made), once_applied(machine.jobs, made)
    assert (pool == then.pool).all()
    assert together(pool, unit) == together(then.pool, then.unit)
    assert not (unit != NOWHERE)[~machine.jobs.may_share | (pool == NOWHERE)].any()


@given(snapshots())
@settings(max_examples=50, deadline=None)
def test_whoever_it_names_has_a_row(machine: Snapshot) -> None:
    made = plan(machine)
    found = rows_of(machine.jobs, made)
    assert all(machine.jobs.ids[row] == job for job, row in found.items())
    named = {job for each in made.placements for job in (each.job, each.beside) if job}
    assert found.keys() == named | set(made.preempted)
