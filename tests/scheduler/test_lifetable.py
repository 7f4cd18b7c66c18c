"""What is learnt of jobs' lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.scheduler import lifetable

UNHURRIED = settings(deadline=None)
LENGTHS = st.lists(st.floats(1.0, 1e6), max_size=50).map(np.array)


@UNHURRIED
@given(LENGTHS, LENGTHS)
def test_chances_are_chances_and_indices_are_finite(finished: "np.ndarray", running: "np.ndarray") -> None:  # type: ignore[type-arg]
    table = lifetable.fit(finished, running)
    assert ((table.ends > 0) & (table.ends < 1)).all()
    assert (np.isfinite(table.index) & (table.index > 0)).all()


def test_when_jobs_are_all_of_one_length_the_index_rises_towards_it_and_gives_its_inverse() -> None:
    """Of jobs that all take an hour, one that has worked for 50 minutes is worth most."""
    table = lifetable.fit(np.full(1000, 3600.0), np.array([]))
    fresh, late, beyond = table.gittins(np.array([0.0, 3000.0, 9000.0]))
    assert fresh == pytest.approx(1 / 3600, rel=0.2)
    assert late > 2 * fresh > 4 * beyond


def test_where_many_are_short_a_job_that_is_not_loses_worth() -> None:
    lengths = np.concatenate([np.full(900, 120.0), np.full(100, 40_000.0)])
    table = lifetable.fit(lengths, np.array([]))
    fresh, long = table.gittins(np.array([0.0, 1000.0]))
    assert fresh > 10 * long


def test_what_still_runs_is_counted_as_longer_than_it_has_run() -> None:
    plain = lifetable.fit(np.full(20, 600.0), np.array([]))
    with_running = lifetable.fit(np.full(20, 600.0), np.full(60, 5000.0))
    at = np.array([0.0])
    assert with_running.gittins(at)[0] < plain.gittins(at)[0]
    assert with_running.remaining_s(at, 0.5)[0] > plain.remaining_s(at, 0.5)[0]


@UNHURRIED
@given(LENGTHS, st.floats(0, 1e6))
def test_quantiles_of_what_remains_are_in_order(lengths: "np.ndarray", worked: float) -> None:  # type: ignore[type-arg]
    table, at = lifetable.fit(lengths, np.array([])), np.array([worked])
    low, high = table.remaining_s(at, 0.5)[0], table.remaining_s(at, 0.9)[0]
    assert 0 <= low <= high
