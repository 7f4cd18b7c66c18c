"""The first policy as properties: whatever the queue and the machine look like, these hold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.scheduler.plan import plan
from jobs.scheduler.snapshot import ANY, Jobs, Owners, Slots, Snapshot

KIND = st.sampled_from([ANY, 0, 1, 2, 3])
ONE_JOB = st.tuples(
    st.integers(0, 3), st.floats(0, 1000), KIND, st.integers(1, 3), st.sampled_from([0, 4, 16])
)
ONE_SLOT = st.tuples(
    st.integers(0, 3), st.integers(0, 3), st.sampled_from([0, 8, 32]), st.floats(0.1, 10), st.booleans()
)


def snapshot_of(jobs: list[tuple], slots: list[tuple], allowance: list[int]) -> Snapshot:
    column = lambda rows, index, kind: np.array([row[index] for row in rows], dtype=kind)  # noqa: E731
    return Snapshot(
        now=1000.0,
        jobs=Jobs(
            ids=tuple(f"j{number}" for number in range(len(jobs))),
            owner=column(jobs, 0, np.int64),
            submitted_at=column(jobs, 1, np.float64),
            kind=column(jobs, 2, np.int8),
            count=column(jobs, 3, np.int64),
            memory_bytes=column(jobs, 4, np.int64),
        ),
        slots=Slots(
            ids=tuple(f"s{number}" for number in range(len(slots))),
            node=column(slots, 0, np.int64),
            kind=column(slots, 1, np.int8),
            memory_bytes=column(slots, 2, np.int64),
            speed=column(slots, 3, np.float64),
            free=column(slots, 4, np.bool_),
        ),
        owners=Owners(allowance=np.array(allowance, dtype=np.int64)),
    )


SNAPSHOTS = st.builds(
    snapshot_of,
    st.lists(ONE_JOB, max_size=12),
    st.lists(ONE_SLOT, max_size=8),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
)


@given(SNAPSHOTS)
def test_every_placement_fits(snapshot: Snapshot) -> None:
    number = {name: row for row, name in enumerate(snapshot.slots.ids)}
    job_row = {name: row for row, name in enumerate(snapshot.jobs.ids)}
    for placement in plan(snapshot).placements:
        job, rows = job_row[placement.job], [number[slot] for slot in placement.slots]
        assert len(rows) == snapshot.jobs.count[job]
        assert len({int(snapshot.slots.node[row]) for row in rows}) == 1
        assert len({int(snapshot.slots.kind[row]) for row in rows}) == 1
        assert snapshot.slots.free[rows].all()
        assert snapshot.jobs.kind[job] in {ANY, snapshot.slots.kind[rows[0]]}
        for row in rows:
            assert snapshot.slots.memory_bytes[row] in {0, *range(int(snapshot.jobs.memory_bytes[job]), 33)}


@given(SNAPSHOTS)
def test_no_accelerator_is_given_twice_and_no_member_gets_more_than_their_allowance(
    snapshot: Snapshot,
) -> None:
    placements = plan(snapshot).placements
    given_out = [slot for placement in placements for slot in placement.slots]
    assert len(given_out) == len(set(given_out))
    owner = dict(zip(snapshot.jobs.ids, snapshot.jobs.owner, strict=True))
    started = np.bincount([owner[placement.job] for placement in placements], minlength=4)
    assert (started <= snapshot.owners.allowance).all()


@given(SNAPSHOTS)
def test_the_same_snapshot_gives_the_same_plan(snapshot: Snapshot) -> None:
    assert plan(snapshot) == plan(snapshot)


@given(SNAPSHOTS)
def test_an_idle_accelerator_is_not_left_idle_while_a_lone_job_fits_it(snapshot: Snapshot) -> None:
    """Work-conserving, up to the places kept for an older job that needs more than is free."""
    result = plan(snapshot)
    taken = {slot for placement in result.placements for slot in placement.slots}
    waiting = {job for job, why in result.blockers.items() if why == "accelerator"}
    if waiting or any(why == "concurrency" for why in result.blockers.values()):
        return
    placed = {placement.job for placement in result.placements}
    left = [
        row for row, slot in enumerate(snapshot.slots.ids) if snapshot.slots.free[row] and slot not in taken
    ]
    assert not left or placed == set(snapshot.jobs.ids)


def test_the_oldest_goes_first_and_the_fastest_is_taken() -> None:
    jobs = [(0, 50.0, ANY, 1, 0), (1, 10.0, ANY, 1, 0)]
    slots = [(0, 0, 0, 1.0, True), (1, 1, 0, 9.0, True)]
    placements = plan(snapshot_of(jobs, slots, [1, 1])).placements
    assert [(p.job, p.slots) for p in placements] == [("j1", ("s1",)), ("j0", ("s0",))]


def test_a_gang_waits_for_its_place_and_is_not_overtaken() -> None:
    jobs = [(0, 1.0, 1, 2, 0), (1, 2.0, 1, 1, 0), (1, 3.0, 0, 1, 0)]
    slots = [(0, 1, 0, 1.0, True), (0, 1, 0, 1.0, False), (0, 0, 0, 1.0, True)]
    result = plan(snapshot_of(jobs, slots, [5, 5]))
    assert [p.job for p in result.placements] == ["j2"]
    assert result.blockers["j0"] == "accelerator"
