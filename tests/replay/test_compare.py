"""A replay by hand: few jobs, one accelerator, and what other settings make of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jobs.scheduler.replay import history as histories
from jobs.scheduler.replay.compare import LONGER, SAME, SHORTER, Report, compare
from jobs.scheduler.replay.history import History, Member, Past, Pool
from jobs.scheduler.replay.settings import Settings, parse
from jobs.scheduler.replay.world import replay

CPU = Pool(node="mill-1", kind="cpu", model="", speed=1.0, memory_bytes=8 * 1024**3, price=1.0, size=1)
HOUR = 3600.0


def job(number: int, member: str, submitted_s: float, work: float, **more: Any) -> Past:
    given = {"kind": "any", "gang": 1, "memory_bytes": 0, **more}
    return Past(id=str(number), member=member, submitted_s=submitted_s, work=work, **given)


def history(*jobs: Past, pools: tuple[Pool, ...] = (CPU,), **members: Member) -> History:
    names = {each.member for each in jobs}
    return History(jobs=jobs, pools=pools, members={name: members.get(name, Member()) for name in names})


def report(made: History, *changes: str, then: History | None = None) -> Report:
    other = then or made
    return compare(made, replay(made, Settings()), other, replay(other, parse(changes)))


def two() -> History:
    """Two members take turns on one accelerator: each asks for ten hours of it, in jobs of one hour, at once."""
    return history(*(job(each, ("ada", "bob")[each % 2], 0.1 * each, HOUR, fixed=True) for each in range(20)))


def test_whose_share_is_doubled_waits_shorter_and_the_other_longer() -> None:
    found = report(two(), "share.ada=2")
    assert [line.member for line in found.lines] == ["bob", "ada"]  # who loses most first
    assert [line.verdict for line in found.lines] == [LONGER, SHORTER]
    assert found.lines[0].change_s == pytest.approx(-found.lines[1].change_s, rel=0.01)
    assert found.whole.change_s == pytest.approx(0.0, abs=1.0)  # equal jobs: the order changes nothing in all
    assert found.whole.jobs == 20


def test_nothing_changes_under_the_same_settings() -> None:
    found = report(two())
    assert {line.verdict for line in found.lines} == {SAME}
    assert found.whole.before == found.whole.after
    assert found.utilisation_before == pytest.approx(1.0)


def test_times_by_hand() -> None:
    """The second waits until the first is done: 100 − 10 s."""
    made = history(job(0, "ada", 0.0, 100.0), job(1, "bob", 10.0, 50.0))
    found = report(made)
    lines = {line.member: line for line in found.lines}
    assert lines["ada"].before.took_mean_s == pytest.approx(100)
    assert (lines["bob"].before.wait_mean_s, lines["bob"].before.took_mean_s) == pytest.approx((90, 140))
    assert found.whole.before.wait_median_s == pytest.approx(45)


def test_one_more_accelerator_spares_the_wait() -> None:
    made = history(job(0, "ada", 0.0, 1000.0), job(1, "bob", 10.0, 1000.0))
    found = report(made, then=replace(made, pools=histories.with_added(made.pools, ["cpu=1@2"])))
    assert found.whole.after.wait_mean_s == pytest.approx(0.0, abs=0.1)
    assert (found.accelerators_before, found.accelerators_after) == (1, 2)
    assert min(line.after.took_mean_s for line in found.lines) == pytest.approx(500)  # twice as fast


def test_use_before_the_days_counts_and_fades_by_the_half_life() -> None:
    """Ada used much five days ago. With a short half-life that is forgotten, and her older job goes first again."""
    jobs = [job(0, "cyd", 0.0, HOUR, fixed=True)]
    jobs += [job(1, "ada", 1.0, HOUR, fixed=True), job(2, "bob", 600.0, HOUR, fixed=True)]
    made = history(*jobs, ada=Member(used=((5 * 86_400.0, 40 * HOUR),)), bob=Member(used=((3600.0, HOUR),)))
    lines = {line.member: line for line in report(made, "half_life=2h").lines}
    assert lines["ada"].verdict == SHORTER
    assert lines["bob"].verdict == LONGER


def test_use_within_the_days_fades_by_the_half_life_too() -> None:
    later = 5 * 86_400.0
    made = history(
        job(0, "ada", 0.0, 10 * HOUR, fixed=True),
        job(1, "cyd", later, HOUR, fixed=True),
        job(2, "ada", later + 1.0, HOUR, fixed=True),
        job(3, "bob", later + 600.0, HOUR, fixed=True),
    )
    before, after = (replay(made, parse(each)).first[2:] for each in ([], ["half_life=2h"]))
    assert before[1] < before[0]  # ada used much: bob goes first
    assert after[0] < after[1]  # that is forgotten: who came first does


def test_use_is_charged_at_the_price_of_what_was_used() -> None:
    """An hour at ten times the price is more than three hours; Ada, who had it, goes last though she came first."""
    gpu = replace(CPU, kind="gpu", price=10.0)
    made = history(
        job(0, "ada", 0.0, HOUR, kind="gpu", fixed=True),
        job(1, "bob", 0.0, 3 * HOUR, kind="cpu", fixed=True),
        job(2, "cyd", 4 * HOUR, HOUR, kind="cpu", fixed=True),
        job(3, "ada", 4 * HOUR + 1.0, HOUR, kind="cpu", fixed=True),
        job(4, "bob", 4 * HOUR + 600.0, HOUR, kind="cpu", fixed=True),
        pools=(CPU, gpu),
    )
    ada, bob = replay(made, Settings()).first[3:]
    assert bob < ada
    cheap = replace(made, pools=(CPU, replace(gpu, price=1.0)))
    ada, bob = replay(cheap, Settings()).first[3:]
    assert ada < bob


def test_what_was_there_already_takes_its_place_and_is_not_counted() -> None:
    made = history(job(0, "ada", -500.0, 100.0, carried=True), job(1, "bob", 0.0, 10.0))
    found = report(made)
    assert [line.member for line in found.lines] == ["bob"]
    assert found.whole.before.wait_mean_s == pytest.approx(100, abs=1)


def test_it_says_how_far_it_resembles_what_was() -> None:
    made = history(
        job(0, "ada", 0.0, 1000.0, wait_s=0.0, took_s=1010.0, fixed=True),
        job(1, "bob", 10.0, 50.0, wait_s=3000.0, took_s=3100.0),
        job(2, "bob", 9000.0, 50.0),
    )
    trust = report(made).trust
    assert (trust.jobs, trust.within) == (2, 0.5)
    assert trust.real.wait_mean_s == pytest.approx(1500)
    assert trust.simulated.wait_mean_s == pytest.approx(495)


def test_a_member_may_run_no_more_at_once_than_their_limit() -> None:
    pool = replace(CPU, size=2)
    made = history(job(0, "ada", 0.0, 100.0), job(1, "ada", 0.0, 100.0), pools=(pool,), ada=Member(limit=1))
    assert report(made).whole.before.wait_mean_s == pytest.approx(50)


def test_what_fits_nowhere_is_left_out() -> None:
    jobs = [job(0, "ada", 0.0, 10.0), job(1, "ada", 0.0, 10.0, kind="gpu")]
    jobs += [job(2, "ada", 0.0, 10.0, gang=2), job(3, "ada", 0.0, 10.0, memory_bytes=9 * 1024**3)]
    found = histories.fitting(history(*jobs), "too large")
    assert [each.id for each in found.jobs] == ["0"]
    assert dict(found.left_out) == {"too large": 3}
    assert report(found).whole.jobs == 1


def test_the_report_is_json_without_nan() -> None:
    plain = report(history(job(0, "ada", 0.0, 10.0))).as_json()
    assert plain["trust"]["within"] is None
    assert plain["lines"][0]["member"] == "ada"


def test_a_watcher_can_end_it() -> None:
    class Enough(Exception):  # noqa: N818
        pass

    def watch(done: float) -> None:
        assert 0 <= done <= 1
        raise Enough

    with pytest.raises(Enough):
        replay(two(), Settings(), watch=watch)


@pytest.mark.parametrize(
    "text", ["gpu", "gpu=0", "gpu=2", "cpu=x", "cpu=2@0", "cpu=2@x", "cpu=1@nan", "cpu=9999"]
)
def test_additions_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("@", maxsplit=1)[0]):
        histories.with_added((CPU,), [text])


def test_there_has_to_be_something_to_replay() -> None:
    with pytest.raises(ValueError, match="no job"):
        replay(History(jobs=(), pools=(CPU,)), Settings())
    assert np.isnan(Past("", "", 0.0, "any", 1, 0, 1.0).wait_s)
