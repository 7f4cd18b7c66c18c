"""What holds whatever the queue and the machine look like, and what the policy prefers."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduler.explain import explain
from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.snapshot import NOWHERE, Blocker, Bools, Ints, Plan, Pools, Snapshot
from jobs.scheduler.weight import is_overdue, weigh
from tests.scheduler.snapshots import NOW, OWNERS, jobs, pools, snapshot, snapshots

FULL = st.booleans()
MANY = settings(max_examples=100, deadline=None)


@dataclass(frozen=True)
class After:
    """Where each job is once the plan is applied, and on which accelerator of its pool if it may be shared."""

    pool: Ints
    unit: Ints
    machine: Snapshot

    @property
    def runs(self) -> Bools:
        return np.asarray(self.pool != NOWHERE)

    @property
    def units(self) -> dict[tuple[int, int], list[int]]:
        """The jobs on each accelerator that may be shared."""
        found: dict[tuple[int, int], list[int]] = {}
        for job in np.flatnonzero(self.unit != NOWHERE):
            found.setdefault((int(self.pool[job]), int(self.unit[job])), []).append(int(job))
        return found

    @property
    def free(self) -> Ints:
        """Idle accelerators of each pool."""
        free = self.machine.pools.size.copy()
        for job in np.flatnonzero(self.runs & (self.unit == NOWHERE)):
            free[self.pool[job]] -= self.machine.jobs.gang[job]
        for pool, _unit in self.units:
            free[pool] -= 1
        return free

    def left(self, pool: int, beside: list[int]) -> tuple[int, int]:
        """(memory, seats) that those jobs leave to others on an accelerator of the pool."""
        pools, used = self.machine.pools, self.machine.jobs.memory_bytes[beside]
        seats = min(int(pools.sharers[pool]), DEFAULT.sharers) - len(beside)
        return int(pools.memory_bytes[pool] - used.sum()), seats


def after(snapshot: Snapshot, made: Plan) -> After:
    """Applied as a database would: in order, what a placement relies on having been done before it."""
    jobs, row = snapshot.jobs, {name: index for index, name in enumerate(snapshot.jobs.ids)}
    pool, unit = jobs.pool.copy(), jobs.unit.copy()
    for name in made.preempted:
        assert pool[row[name]] != NOWHERE
        pool[row[name]] = unit[row[name]] = NOWHERE
    for number, placement in enumerate(made.placements):
        job = row[placement.job]
        assert pool[job] == NOWHERE
        pool[job] = placement.pool
        if placement.beside is not None:
            host = row[placement.beside]
            assert pool[host] == placement.pool
            unit[job] = unit[host]
            assert unit[job] != NOWHERE
        elif can_share(snapshot, job, placement.pool):
            unit[job] = 1000 + number
    return After(pool, unit, snapshot)


def can_share(snapshot: Snapshot, job: int, pool: int) -> bool:
    jobs, pools = snapshot.jobs, snapshot.pools
    small = jobs.shares[job] and jobs.gang[job] == 1 and jobs.memory_bytes[job] > 0
    return bool(small and pools.memory_bytes[pool] > 0 and pools.sharers[pool] > 1)


@MANY
@given(snapshots(), FULL)
def test_accelerators_memory_and_gangs_are_kept(snapshot: Snapshot, full: bool) -> None:
    then = after(snapshot, plan(snapshot, full=full))
    assert (then.free >= 0).all()
    for job in np.flatnonzero(then.runs):
        memory, kind = snapshot.pools.memory_bytes[then.pool[job]], snapshot.pools.type[then.pool[job]]
        assert memory == 0 or memory >= snapshot.jobs.memory_bytes[job]
        assert snapshot.jobs.speed[job, kind] > 0


@MANY
@given(snapshots(), FULL)
def test_those_on_one_accelerator_fit_its_memory_together(snapshot: Snapshot, full: bool) -> None:
    then = after(snapshot, plan(snapshot, full=full))
    for (pool, _unit), beside in then.units.items():
        memory, seats = then.left(pool, beside)
        assert memory >= 0
        assert seats >= 0


@MANY
@given(snapshots(), FULL)
def test_no_member_gets_more_than_their_limit(snapshot: Snapshot, full: bool) -> None:
    runs = after(snapshot, plan(snapshot, full=full)).runs
    running = np.bincount(snapshot.jobs.owner[runs], minlength=OWNERS)
    assert (running <= snapshot.owners.limit).all()


@MANY
@given(snapshots(), FULL)
def test_the_protected_are_left_alone(snapshot: Snapshot, full: bool) -> None:
    jobs = snapshot.jobs
    least = np.maximum(DEFAULT.protect_s, DEFAULT.protect_checkpoints * jobs.checkpoint_s)
    young = (NOW - jobs.since < least) & ~jobs.spare
    safe = (jobs.pool != NOWHERE) & (jobs.fixed | young | (~jobs.spare if not full else False))
    then = after(snapshot, plan(snapshot, full=full))
    assert (then.pool[safe] == jobs.pool[safe]).all()
    assert (then.unit[safe] == jobs.unit[safe]).all()


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
    then = after(snapshot, made)
    if (is_overdue(snapshot, DEFAULT) & ~then.runs).any():
        return
    jobs, pools = snapshot.jobs, snapshot.pools
    for job in np.flatnonzero(~then.runs & np.isin(made.blocker, [Blocker.ACCELERATOR, Blocker.HOURS])):
        usable = jobs.speed[job][pools.type] > 0
        holds = (pools.memory_bytes == 0) | (pools.memory_bytes >= jobs.memory_bytes[job])
        assert not (usable & holds & (then.free >= jobs.gang[job])).any()
        for (pool, _unit), beside in then.units.items():
            memory, seats = then.left(pool, beside)
            joins = usable[pool] and can_share(snapshot, job, pool)
            assert not (joins and seats > 0 and memory >= jobs.memory_bytes[job])


@MANY
@given(snapshots(), FULL)
def test_nobody_shares_while_an_accelerator_of_the_type_idles(snapshot: Snapshot, full: bool) -> None:
    """But for those that were beside others already."""
    made = plan(snapshot, full=full)
    if is_overdue(snapshot, DEFAULT).any():
        return
    then, pools = after(snapshot, made), snapshot.pools
    row = {name: index for index, name in enumerate(snapshot.jobs.ids)}
    for placement in made.placements:
        if placement.beside is not None:
            alike = pools.type == pools.type[placement.pool]
            holds = (pools.memory_bytes == 0) | (
                pools.memory_bytes >= snapshot.jobs.memory_bytes[row[placement.job]]
            )
            assert not (alike & holds & (then.free > 0)).any()


@MANY
@given(snapshots())
def test_who_was_just_moved_about_is_not_moved_again(snapshot: Snapshot) -> None:
    """No two jobs preempt each other: a full pass a moment later, nothing new having come, leaves them in place."""
    made = plan(snapshot)
    then, jobs = after(snapshot, made), snapshot.jobs
    since = np.where((then.pool != jobs.pool) | (then.unit != jobs.unit), NOW, jobs.since)
    now_running = replace(jobs, pool=then.pool, unit=then.unit, since=since)
    moved = set(plan(replace(snapshot, now=NOW + 1, jobs=now_running)).preempted)
    row = {name: index for index, name in enumerate(jobs.ids)}
    assert not {each.job for each in made.placements if not jobs.spare[row[each.job]]} & moved


@MANY
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_waiting_never_makes_a_job_weigh_less(age: float, more: float) -> None:
    old, older = (
        weigh(snapshot(jobs(1, submitted_at=[NOW - each]), pools((0, 0, 0, 1))), DEFAULT).weight[0]
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


def test_nobody_gives_way_while_another_pool_of_the_type_idles() -> None:
    """The first pool would be fuller, but for whoever is over quota there."""
    queue = jobs(2, pool=[0, NOWHERE], spare=[True, False])
    made = plan(snapshot(queue, pools((0, 0, 0, 1), (1, 0, 0, 2))), full=False)
    assert ([each.pool for each in made.placements], made.preempted) == ([1], ())
    assert plan(snapshot(queue, pools((0, 0, 0, 1))), full=False).preempted == ("j0",)


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


def test_what_is_kept_for_another_is_said() -> None:
    """The second would fit into what is free and is kept, the third would not."""
    queue = jobs(
        4, gang=[4, 2, 3, 2], pool=[NOWHERE, 0, NOWHERE, NOWHERE], fixed=[False, True, False, False],
        submitted_at=[NOW - 10 * DEFAULT.overdue_s] + [NOW - 60.0] * 3,
    )  # fmt: skip
    made = plan(snapshot(queue, pools((0, 0, 0, 4))), full=False)
    assert blockers(made) == [Blocker.ACCELERATOR, Blocker.NONE, Blocker.ACCELERATOR, Blocker.RESERVED]


OLD = NOW - 20 * DEFAULT.overdue_s


def test_what_is_over_quota_is_never_due() -> None:
    """It would get a place before all others, give way to them at once, and be due again."""
    queue = jobs(2, submitted_at=[OLD, NOW], spare=[True, False])
    made = plan(snapshot(queue, pools((0, 0, 0, 1))))
    assert (pairs(made), blockers(made)) == ({"j1": None}, [Blocker.HOURS, Blocker.NONE])
    of_four = replace(
        queue, gang=np.array([4, 1]), pool=np.array([NOWHERE, 0]), fixed=np.array([False, True])
    )
    waiting = jobs(1, submitted_at=[NOW])
    assert blockers(plan(snapshot(of_four, pools((0, 0, 0, 4)))))[0] == Blocker.HOURS
    assert pairs(plan(snapshot(waiting, pools((0, 0, 0, 4))))) == {"j0": None}


@pytest.mark.parametrize(("days", "due"), [(1, False), (6.9, False), (7.1, True)])
def test_who_had_more_than_their_share_is_due_later(days: float, due: bool) -> None:
    """Not after twelve hours, but after a week."""
    queue = jobs(1, submitted_at=[NOW - 86_400.0 * days], remaining=[1.0])
    used = snapshot(queue, pools((0, 0, 0, 1)), usage=[1e9, 0, 0, 0])
    assert list(is_overdue(used, DEFAULT)) == [due]
    within = replace(used, owners=replace(used.owners, usage=np.array([0, 1e9, 0, 0])))
    assert list(is_overdue(within, DEFAULT)) == [True]


@pytest.mark.parametrize(("length", "due"), [(1000.0, True), (20_000.0, False)])
def test_the_bound_grows_with_a_jobs_own_length(length: float, due: bool) -> None:
    queue = jobs(1, submitted_at=[NOW - 50_000.0], remaining=[length])
    assert list(is_overdue(snapshot(queue, pools((0, 0, 0, 1))), DEFAULT)) == [due]


def test_only_those_that_want_the_same_are_rivals() -> None:
    """Before the last: one that wants the same, one that a limit holds up, one that nothing here can run."""
    queue = jobs(
        5, owner=[0, 1, 1, 2, 3], pool=[0, NOWHERE, NOWHERE, NOWHERE, NOWHERE], fixed=[True] + [False] * 4,
        speed=[[1, 0], [1, 0], [1, 0], [0, 1], [1, 1]], boost=[1, 9, 9, 2, 1],
    )  # fmt: skip
    machine = snapshot(queue, pools((0, 0, 0, 1)), limit=[9, 1, 9, 9])
    told = {each.job: each for each in explain(machine, plan(machine, full=False))}
    assert told["j2"].blocker == Blocker.CONCURRENCY
    assert [(told[job].position, told[job].rivals) for job in ("j1", "j2", "j3", "j4")] == [
        (1, 0), (2, 1), (3, 0), (4, 1),
    ]  # fmt: skip


SMALL = {"shares": [True] * 3, "memory_bytes": [4, 4, 4]}


def pairs(made: Plan) -> dict[str, str | None]:
    return {each.job: each.beside for each in made.placements}


def test_small_jobs_share_an_accelerator_when_all_are_wanted_and_not_when_one_idles() -> None:
    machine = pools((0, 0, 8, 1), (1, 0, 8, 1))
    crowded = plan(snapshot(jobs(3, **SMALL), machine), full=False)
    assert pairs(crowded) == {"j0": None, "j1": "j0", "j2": None}
    roomy = plan(snapshot(jobs(3, **SMALL), pools((0, 0, 8, 3))), full=False)
    assert pairs(roomy) == {"j0": None, "j1": None, "j2": None}


@pytest.mark.parametrize(
    ("policy", "machine"),
    [
        (replace(DEFAULT, sharers=1), pools((0, 0, 8, 1))),
        (DEFAULT, pools((0, 0, 8, 1, 1))),
        (DEFAULT, pools((0, 0, 0, 1))),
        (DEFAULT, pools((0, 0, 7, 1))),
    ],
    ids=[
        "the policy forbids it",
        "the pool forbids it",
        "nobody knows its memory",
        "it is too small for two",
    ],
)
def test_nobody_shares_where_it_is_not_allowed(policy: Policy, machine: Pools) -> None:
    assert pairs(plan(snapshot(jobs(3, **SMALL), machine), policy, full=False)) == {"j0": None}


def test_who_comes_joins_the_accelerator_where_the_least_memory_is_left_over() -> None:
    queue = jobs(3, shares=[True] * 3, memory_bytes=[4, 10, 5], pool=[0, 0, NOWHERE], unit=[7, 3, NOWHERE])
    assert pairs(plan(snapshot(queue, pools((0, 0, 16, 2))), full=False)) == {"j2": "j1"}


def test_nobody_joins_a_job_that_has_its_accelerator_to_itself() -> None:
    queue = jobs(3, shares=[True] * 3, memory_bytes=[4, 4, 4], pool=[0, NOWHERE, NOWHERE])
    made = plan(snapshot(queue, pools((0, 0, 16, 1))), full=False)
    assert (made.placements, blockers(made)[1:]) == ((), [Blocker.ACCELERATOR] * 2)


def test_the_weightiest_of_those_that_shared_gets_what_is_idle_after_all() -> None:
    """A gang waits for two accelerators, so one is idle: of two that would share another, one takes it."""
    queue = jobs(
        4, shares=[True, True, True, False], memory_bytes=[4, 4, 4, 4], gang=[1, 1, 1, 2],
        pool=[0, NOWHERE, NOWHERE, NOWHERE], unit=[0, NOWHERE, NOWHERE, NOWHERE],
        submitted_at=[NOW - 50_000, NOW - 4000, NOW - 3000, NOW],
    )  # fmt: skip
    assert pairs(plan(snapshot(queue, pools((0, 0, 16, 2))), full=False)) == {"j1": None, "j2": "j0"}


def test_what_a_steward_raised_goes_first() -> None:
    queue = jobs(2, submitted_at=[NOW - 4000, NOW], boost=[1.0, 10.0])
    assert pairs(plan(snapshot(queue, pools((0, 0, 0, 1))), full=False)) == {"j1": None}


def test_a_job_that_cannot_start_does_not_use_up_its_members_limit() -> None:
    queue = jobs(2, gang=[9, 1], submitted_at=[NOW - 9000, NOW])
    made = plan(snapshot(queue, pools((0, 0, 0, 1)), limit=[1, 9, 9, 9]), full=False)
    assert (pairs(made), blockers(made)) == ({"j1": None}, [Blocker.NOWHERE, Blocker.NONE])


def test_a_long_queue_of_what_does_not_fit_hides_nobody_who_does() -> None:
    """Hundreds of gangs that weigh more wait for a whole node; the small one takes what is idle."""
    count = 2000
    queue = jobs(
        count, gang=[4] * (count - 2) + [1, 3], pool=[NOWHERE] * (count - 1) + [0], fixed=[True] * count
    )
    made = plan(snapshot(queue, pools((0, 0, 0, 4))), full=False)
    assert pairs(made) == {f"j{count - 2}": None}
