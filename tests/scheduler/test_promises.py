"""Who is asked to give way needs a while: the place is kept for whom it was asked, and for nobody else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.promises import for_later
from jobs.scheduler.simulate.world import Conditions
from jobs.scheduler.snapshot import NOWHERE, Blocker, Plan, Snapshot
from tests.scheduler.snapshots import jobs, pools, snapshot, snapshots
from tests.scheduler.test_simulate import ours, run, trace

LONG = {"attained": 90_000.0, "ran": 90_000.0}


class Machine:
    """What a database and its nodes make of plans: who is asked to leave does so when told to, one after another."""

    def __init__(self, seen: Snapshot) -> None:
        self.seen = seen
        self.row = {job: row for row, job in enumerate(seen.jobs.ids)}

    def do(self, *, full: bool) -> Plan:
        made = plan(self.seen, full=full)
        later = for_later(self.seen, made)
        was = self.seen.jobs
        pool, leaving, since = was.pool.copy(), was.leaving.copy(), was.since.copy()
        promise = np.full_like(pool, NOWHERE)
        for name in made.promised:
            promise[self.row[name]] = was.promise[self.row[name]]
        for name in made.preempted:
            leaving[self.row[name]] = True
        for each in made.placements:
            row = self.row[each.job]
            (promise if each in later else pool)[row] = each.pool
            since[row] = self.seen.now if each not in later else since[row]
        self._become(pool=pool, leaving=leaving, fixed=was.fixed | leaving, promise=promise, since=since)
        return made

    def leaves(self, row: int) -> None:
        """It has saved its state."""
        pool, leaving, fixed = (getattr(self.seen.jobs, name).copy() for name in ("pool", "leaving", "fixed"))
        pool[row], leaving[row], fixed[row] = NOWHERE, False, False
        self._become(pool=pool, leaving=leaving, fixed=fixed)

    def _become(self, **columns: Any) -> None:
        self.seen = replace(self.seen, now=self.seen.now + 1, jobs=replace(self.seen.jobs, **columns))

    def where(self, name: str) -> int:
        return int(self.seen.jobs.pool[self.row[name]])

    @property
    def leavers(self) -> list[int]:
        return list(map(int, np.flatnonzero(self.seen.jobs.leaving)))

    @property
    def free(self) -> list[int]:
        of = self.seen.jobs
        runs = of.pool != NOWHERE
        used = np.bincount(of.pool[runs], of.gang[runs], minlength=len(self.seen.pools.size))
        return list(map(int, self.seen.pools.size - used))


def a_gang_for_which_four_leave(size: int = 4) -> Machine:
    """Four long ones run, a gang of four waits, and the last one comes when all is decided: it weighs most."""
    queue = jobs(
        6, gang=[1, 1, 1, 1, 4, 1], owner=[0, 0, 0, 0, 1, 2], pool=[0, 0, 0, 0, NOWHERE, NOWHERE],
        attained=[LONG["attained"]] * 4 + [0.0] * 2, ran=[LONG["ran"]] * 4 + [0.0] * 2,
        speed=[[1, 1]] * 5 + [[0, 0]], boost=[1, 1, 1, 1, 1, 1000],
    )  # fmt: skip
    machine = Machine(snapshot(queue, pools((0, 0, 0, size))))
    machine.do(full=True)
    machine._become(speed=np.ones((6, 2)))
    return machine


def test_a_gang_gets_the_places_that_were_asked_for_it() -> None:
    """Not who has just left, and not who came meanwhile and weighs more."""
    machine = a_gang_for_which_four_leave()
    assert machine.leavers == [0, 1, 2, 3]
    for row in range(4):
        made = machine.do(full=False)
        assert (made.placements, made.promised) == ((), ("j4",))
        machine.leaves(row)
    machine.do(full=False)
    assert (machine.where("j4"), machine.free) == (0, [0])
    assert (machine.seen.jobs.promise == NOWHERE).all()


def test_no_more_is_kept_than_the_gang_needs() -> None:
    """A fifth one is there, beside the four that are left for it: others may have that."""
    machine = a_gang_for_which_four_leave(size=4)
    machine.seen = replace(machine.seen, pools=pools((0, 0, 0, 5)))
    machine.do(full=False)
    assert (machine.where("j5"), machine.free) == (0, [0])


def test_a_full_pass_keeps_promises_and_asks_nobody_else() -> None:
    machine = a_gang_for_which_four_leave()
    machine.leaves(0)
    made = machine.do(full=True)
    assert (made.placements, made.preempted, made.promised) == ((), (), ("j4",))
    for row in (1, 2, 3):
        machine.leaves(row)
    machine.do(full=True)
    assert machine.where("j4") == 0


def test_what_waits_for_others_to_leave_is_said() -> None:
    machine = a_gang_for_which_four_leave()
    machine.leaves(0)
    made = plan(machine.seen, full=False)
    found = [Blocker(each) for each in made.blocker]
    assert (found[4], found[5]) == (Blocker.ACCELERATOR, Blocker.RESERVED)


def test_a_promise_ends_when_too_few_leave_for_it() -> None:
    machine = a_gang_for_which_four_leave()
    machine.seen = replace(machine.seen, pools=pools((0, 0, 0, 3)))
    for row in range(2):
        machine.leaves(row)
    made = machine.do(full=False)
    assert (made.promised, machine.where("j5")) == ((), 0)


def test_a_promise_ends_when_its_member_may_have_no_more_at_once() -> None:
    machine = a_gang_for_which_four_leave()
    machine.leaves(0)
    owners = replace(machine.seen.owners, limit=np.array([9, 0, 9, 9]))
    machine.seen = replace(machine.seen, owners=owners)
    made = machine.do(full=False)
    assert (made.promised, machine.where("j5")) == ((), 0)


def test_a_member_has_no_more_at_once_while_one_of_theirs_saves_its_state() -> None:
    queue = jobs(2, pool=[0, NOWHERE], attained=[90_000.0, 0.0], ran=[90_000.0, 0.0])
    machine = Machine(snapshot(queue, pools((0, 0, 0, 2)), limit=[1, 9, 9, 9]))
    machine.do(full=True)
    assert (machine.leavers, machine.where("j1")) == ([0], NOWHERE)
    machine.leaves(0)
    machine.do(full=False)
    assert machine.where("j1") == 0


def test_who_moves_finds_its_new_place_free() -> None:
    """The fast one is asked for the second job, which can't run elsewhere; the third would take the slow one."""
    queue = jobs(
        3, pool=[0, NOWHERE, NOWHERE], attained=[90_000.0, 0.0, 0.0], ran=[90_000.0, 0.0, 0.0], owner=[0, 1, 2],
        speed=[[1, 0.9], [1, 0], [0, 0]], boost=[1, 1, 1000],
    )  # fmt: skip
    machine = Machine(snapshot(queue, pools((0, 0, 0, 1), (1, 1, 0, 1))))
    machine.do(full=True)
    assert machine.leavers == [0]
    machine._become(speed=np.array([[1, 0.9], [1, 0], [1, 1]]))
    machine.do(full=False)
    assert machine.where("j2") == NOWHERE
    machine.leaves(0)
    machine.do(full=False)
    assert [machine.where(name) for name in ("j0", "j1", "j2")] == [1, 0, NOWHERE]


def test_nobody_comes_beside_who_leaves_before_the_other_has_come() -> None:
    """Two small ones share; the one that ran long leaves for the third, and the fourth would fit as well."""
    queue = jobs(
        4, pool=[0, 0, NOWHERE, NOWHERE], unit=[7, 7, NOWHERE, NOWHERE], memory_bytes=[4, 4, 6, 4],
        shares=[True] * 4, leaving=[True, False, False, False], fixed=[True, True, False, False],
        promise=[NOWHERE, NOWHERE, 0, NOWHERE], boost=[1, 1, 1, 1000],
    )  # fmt: skip
    seen = snapshot(queue, pools((0, 0, 12, 1)))
    for full in (True, False):
        made = plan(seen, full=full)
        assert (made.placements, made.promised) == ((), ("j2",))
    left = replace(
        queue, pool=np.array([NOWHERE, 0, NOWHERE, NOWHERE]), leaving=np.zeros(4, np.bool_),
        unit=np.array([NOWHERE, 7, NOWHERE, NOWHERE]), fixed=np.array([False, True, False, False]),
    )  # fmt: skip
    made = plan(snapshot(left, pools((0, 0, 12, 1))), full=False)
    assert [(each.job, each.beside) for each in made.placements] == [("j2", "j1")]


@settings(max_examples=150, deadline=None)
@given(snapshots(), st.randoms(use_true_random=False))
def test_whoever_was_promised_a_place_gets_it_in_whatever_order_others_leave(
    seen: Snapshot, random: Any
) -> None:
    if (seen.jobs.unit != NOWHERE).any():
        return
    seen = replace(seen, jobs=replace(seen.jobs, shares=np.zeros(len(seen.jobs.ids), np.bool_)))
    machine = Machine(seen)
    machine.do(full=True)
    assert min(machine.free) >= 0
    promise = machine.seen.jobs.promise.copy()
    while leavers := machine.leavers:
        machine.leaves(random.choice(leavers))
        machine.do(full=False)
        assert min(machine.free) >= 0
    told = np.flatnonzero(
        (promise != NOWHERE) & ~seen.jobs.spare
    )  # who is over quota gives way again at once
    assert (machine.seen.jobs.pool[told] == promise[told]).all()


def a_gang_behind(saving_s: float) -> float:
    """How long a gang of four waits that comes after four long jobs, and right before ever new ones: these come once it
    is decided that the long ones give way.
    """
    stream = [(DEFAULT.full_soon_s + 1.0 + 10.0 * number, 1, 2000.0) for number in range(200)]
    rows = sorted([*((0.0, 1, 400_000.0) for _long in range(4)), (86_400.0, 4, 600.0)]) + [
        (86_400.0 + at, gang, length) for at, gang, length in stream
    ]
    owner = [0] * 4 + [1] + [2] * len(stream)
    machine = Conditions(capacity=(4,), per_node=4, saving_s=saving_s)
    return float(run(trace(*rows, owner=owner), ours, machine).first[4]) - 86_400.0


def test_a_gang_starts_as_soon_as_others_have_saved_their_state() -> None:
    assert a_gang_behind(0.0) <= DEFAULT.full_every_s
    assert a_gang_behind(45.0) == pytest.approx(a_gang_behind(0.0) + 45.0, abs=1.0)


def test_saving_takes_its_time_and_nothing_is_lost_by_it() -> None:
    made = trace((0.0, 1, 40_000.0), (30_000.0, 1, 600.0))
    machine = Conditions(capacity=(1,), per_node=1, saving_s=50.0)
    out = run(made, ours, machine)
    assert out.preempted[0] == 1
    assert out.done[0] == pytest.approx(40_000 + 600 + 50 + 60, abs=1)
