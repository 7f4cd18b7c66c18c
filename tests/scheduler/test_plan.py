"""What holds whatever the queue and the machine look like, and what the policy prefers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.snapshot import NOWHERE, Blocker, Plan, Snapshot
from jobs.scheduler.weight import is_overdue, weigh
from tests.scheduler.snapshots import NOW, OWNERS, jobs, pools, snapshot, snapshots

FULL = st.booleans()
MANY = settings(max_examples=200, deadline=None)


def after(snapshot: Snapshot, made: Plan) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Where each job is once the plan is applied."""
    row = {name: index for index, name in enumerate(snapshot.jobs.ids)}
    where = snapshot.jobs.pool.copy()
    for name in made.preempted:
        assert where[row[name]] != NOWHERE
        where[row[name]] = NOWHERE
    for placement in made.placements:
        assert where[row[placement.job]] == NOWHERE
        where[row[placement.job]] = placement.pool
    return where


@MANY
@given(snapshots(), FULL)
def test_accelerators_memory_and_gangs_are_kept(snapshot: Snapshot, full: bool) -> None:
    where = after(snapshot, plan(snapshot, full=full))
    runs = where != NOWHERE
    used = np.bincount(where[runs], weights=snapshot.jobs.gang[runs], minlength=len(snapshot.pools.size))
    assert (used <= snapshot.pools.size).all()
    for job in np.flatnonzero(runs):
        memory, kind = snapshot.pools.memory_bytes[where[job]], snapshot.pools.type[where[job]]
        assert memory == 0 or memory >= snapshot.jobs.memory_bytes[job]
        assert snapshot.jobs.speed[job, kind] > 0


@MANY
@given(snapshots(), FULL)
def test_no_member_gets_more_than_their_limit(snapshot: Snapshot, full: bool) -> None:
    where = after(snapshot, plan(snapshot, full=full))
    running = np.bincount(snapshot.jobs.owner[where != NOWHERE], minlength=OWNERS)
    assert (running <= snapshot.owners.limit).all()


@MANY
@given(snapshots(), FULL)
def test_the_protected_are_left_alone(snapshot: Snapshot, full: bool) -> None:
    jobs = snapshot.jobs
    young = (NOW - jobs.since < DEFAULT.protect_s) & ~jobs.spare
    safe = (jobs.pool != NOWHERE) & (jobs.fixed | young | (~jobs.spare if not full else False))
    where = after(snapshot, plan(snapshot, full=full))
    assert (where[safe] == jobs.pool[safe]).all()


@MANY
@given(snapshots(), FULL)
def test_the_same_snapshot_gives_the_same_plan(snapshot: Snapshot, full: bool) -> None:
    first, second = plan(snapshot, full=full), plan(snapshot, full=full)
    assert (first.placements, first.preempted) == (second.placements, second.preempted)


@MANY
@given(snapshots(), FULL)
def test_nothing_idles_that_somebody_who_waits_could_use(snapshot: Snapshot, full: bool) -> None:
    """But for the one place that is kept for whoever is due."""
    made = plan(snapshot, full=full)
    where = after(snapshot, made)
    if (is_overdue(snapshot, DEFAULT) & (where == NOWHERE)).any():
        return
    runs = where != NOWHERE
    free = snapshot.pools.size - np.bincount(
        where[runs], weights=snapshot.jobs.gang[runs], minlength=len(snapshot.pools.size)
    )
    for job in np.flatnonzero(~runs & (made.blocker == Blocker.ACCELERATOR)):
        memory = snapshot.pools.memory_bytes
        fits = (free >= snapshot.jobs.gang[job]) & (
            (memory == 0) | (memory >= snapshot.jobs.memory_bytes[job])
        )
        assert not (fits & (snapshot.jobs.speed[job][snapshot.pools.type] > 0)).any()


@MANY
@given(snapshots())
def test_who_was_just_moved_about_is_not_moved_again(snapshot: Snapshot) -> None:
    """No two jobs preempt each other: a full pass a moment later, nothing new having come, leaves them in place."""
    made = plan(snapshot)
    where = after(snapshot, made)
    since = np.where(where != snapshot.jobs.pool, NOW, snapshot.jobs.since)
    again = replace(snapshot, now=NOW + 1, jobs=replace(snapshot.jobs, pool=where, since=since))
    moved = set(plan(again).preempted)
    row = {name: index for index, name in enumerate(snapshot.jobs.ids)}
    assert not {each.job for each in made.placements if not snapshot.jobs.spare[row[each.job]]} & moved


@MANY
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_waiting_never_makes_a_job_weigh_less(age: float, more: float) -> None:
    old, older = (
        weigh(snapshot(jobs(1, submitted_at=[NOW - each]), pools((0, 0, 0, 1))), DEFAULT)[0][0]
        for each in (age, age + more)
    )
    assert older >= old


def blockers(made: Plan) -> list[Blocker]:
    return [Blocker(each) for each in made.blocker]


def test_what_each_waits_for_is_said() -> None:
    queue = jobs(4, owner=[0, 0, 1, 2], gang=[1, 1, 1, 9])
    made = plan(snapshot(queue, pools((0, 0, 0, 1)), limit=[1, 9, 9, 9]), full=False)
    assert [each.job for each in made.placements] == ["j0"]
    assert blockers(made) == [Blocker.NONE, Blocker.CONCURRENCY, Blocker.ACCELERATOR, Blocker.NOWHERE]


def test_each_goes_where_it_loses_least() -> None:
    """The first would gain little on the fast type, the second much; there is one of each."""
    queue = jobs(2, speed=[[1.0, 0.9], [1.0, 0.1]])
    made = plan(snapshot(queue, pools((0, 0, 0, 1), (1, 1, 0, 1))))
    assert {each.job: each.pool for each in made.placements} == {"j0": 1, "j1": 0}


def test_a_gang_goes_where_it_leaves_least_unused() -> None:
    made = plan(snapshot(jobs(1, gang=[2]), pools((0, 0, 0, 4), (1, 0, 0, 2))))
    assert [each.pool for each in made.placements] == [1]


def test_who_used_less_than_their_share_goes_first_and_a_burst_counts_at_once() -> None:
    queue = jobs(6, owner=[0, 0, 0, 0, 0, 1])
    one = plan(snapshot(queue, pools((0, 0, 0, 2))), full=False)
    assert {each.job for each in one.placements} == {"j0", "j5"}
    used = plan(snapshot(queue, pools((0, 0, 0, 1)), usage=[1e6, 0, 0, 0]), full=False)
    assert [each.job for each in used.placements] == ["j5"]


def test_what_is_short_as_far_as_anybody_knows_goes_before_what_has_run_long() -> None:
    queue = jobs(2, attained=[50_000.0, 0.0], ran=[50_000.0, 0.0])
    made = plan(snapshot(queue, pools((0, 0, 0, 1))))
    assert [each.job for each in made.placements] == ["j1"]


def test_a_job_that_ran_long_gives_way_to_short_ones_only_in_a_full_pass() -> None:
    queue = jobs(2, attained=[90_000.0, 0.0], ran=[90_000.0, 0.0], pool=[0, NOWHERE])
    machine = snapshot(queue, pools((0, 0, 0, 1)))
    assert plan(machine, full=False).preempted == ()
    full = plan(machine)
    assert (full.preempted, [each.job for each in full.placements]) == (("j0",), ["j1"])


def test_running_is_worth_more_than_waiting() -> None:
    queue = jobs(2, pool=[NOWHERE, 0], ran=[1000.0, 1000.0], attained=[1000.0, 1000.0])
    assert plan(snapshot(queue, pools((0, 0, 0, 1)))).preempted == ()


def test_what_is_over_quota_gives_way_at_once_and_takes_only_what_is_idle() -> None:
    queue = jobs(2, pool=[0, NOWHERE], spare=[True, False], since=[NOW - 1, NOW - 1])
    made = plan(snapshot(queue, pools((0, 0, 0, 1))), full=False)
    assert (made.preempted, [each.job for each in made.placements]) == (("j0",), ["j1"])
    alone = plan(snapshot(jobs(1, spare=[True]), pools((0, 0, 0, 1))), full=False)
    assert [each.job for each in alone.placements] == ["j0"]


@pytest.mark.parametrize("full", [True, False])
def test_whoever_waits_past_the_bound_has_a_place_kept_for_it(full: bool) -> None:
    """Two of four are busy; the gang of four waits for them, and ever new small ones do not take what is free."""
    ages = [NOW - 10 * DEFAULT.overdue_s, NOW - 60, NOW - 60]
    queue = jobs(3, gang=[4, 2, 1], submitted_at=ages, pool=[NOWHERE, 0, NOWHERE], fixed=[False, True, False])
    made = plan(snapshot(queue, pools((0, 0, 0, 4))), full=full)
    assert made.placements == ()
    young = replace(queue, submitted_at=np.array([NOW - 60.0] * 3))
    assert [each.job for each in plan(snapshot(young, pools((0, 0, 0, 4))), full=full).placements] == ["j2"]
