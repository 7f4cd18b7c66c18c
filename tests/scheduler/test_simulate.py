"""The simulator: its arithmetic by hand, and that the policy is fair and bounded in it."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from jobs.scheduler.plan import plan
from jobs.scheduler.policy import DEFAULT, Policy
from jobs.scheduler.simulate import baselines, fluid
from jobs.scheduler.simulate.__main__ import main
from jobs.scheduler.simulate.trace import Trace
from jobs.scheduler.simulate.world import Conditions, Decide, Outcome, World
from jobs.scheduler.snapshot import Plan, Snapshot

ONE = Conditions(capacity=(1,), per_node=1)


def planned(policy: Policy, snapshot: Snapshot, full: bool) -> Plan:
    return plan(snapshot, policy, full=full)


ours = partial(planned, DEFAULT)


def trace(*rows: tuple[float, int, float], owner: list[int] | None = None) -> Trace:
    """(arrival, gang, seconds) a row, on one type."""
    table = np.array(rows, dtype=np.float64)
    assert (np.diff(table[:, 0]) >= 0).all(), "a trace is in the order of its arrivals"
    return Trace(
        arrival=table[:, 0],
        gang=table[:, 1].astype(np.int64),
        steps=table[:, 2],
        rate=np.ones((len(rows), 1)),
        types=("only",),
        owner=np.array(owner or [0] * len(rows)),
    )


def run(made: Trace, decide: Decide, conditions: Conditions = ONE) -> Outcome:
    return World(made, conditions, decide).run()


def test_first_come_first_served_by_hand() -> None:
    out = run(trace((0, 1, 100), (10, 1, 50), (20, 1, 5)), baselines.fifo)
    assert list(out.done) == pytest.approx([100, 150, 155])
    assert out.busy == pytest.approx(155)


def test_a_small_one_goes_before_a_gang_that_waits_if_it_holds_it_up_by_nothing() -> None:
    made = trace((0, 1, 100), (1, 2, 50), (2, 1, 90), (3, 1, 200))
    out = run(made, baselines.easy, Conditions(capacity=(2,), per_node=2, sigma=0.0))
    assert list(out.done) == pytest.approx([100, 150, 92, 350])


def test_least_attained_service_preempts_and_pays_for_the_restart() -> None:
    made = trace((0, 1, 40_000), (10_000, 1, 600))
    out = run(made, baselines.tiresias, Conditions(capacity=(1,), per_node=1, restart_s=60))
    assert out.preempted[0] == 1
    assert out.done[1] < 11_500
    assert out.done[0] == pytest.approx(40_000 + 600 + 60, abs=1)


def test_an_equal_share_by_hand() -> None:
    """Two on one accelerator, each at half speed until the first is done."""
    found = fluid.equal_share_times(trace((0, 1, 100), (0, 1, 300)), np.array([1.0]))
    assert list(found) == pytest.approx([200, 400])


def test_every_job_ends_once_its_work_is_done() -> None:
    rng = np.random.default_rng(1)
    rows = [
        (float(at), int(rng.choice([1, 2, 4])), float(rng.exponential(3000)))
        for at in np.sort(rng.uniform(0, 40_000, 80))
    ]
    made = trace(*rows)
    out = run(made, ours, Conditions(capacity=(8,), per_node=4))
    assert not np.isnan(out.done).any()
    assert (out.done - made.arrival >= made.length_s - 1e-3).all()
    assert out.busy >= float((made.gang * made.length_s).sum()) - 1


def a_gang_and_ever_new_short_ones(policy: Policy) -> tuple[float, float]:
    """When a gang of four starts and is done beside a stream of another member's that fills the machine by itself."""
    stream = [(60.0 * number, 1, 230.0) for number in range(4000)]
    made = trace((0, 4, 20_000), *stream, owner=[0] + [1] * len(stream))
    out = run(made, partial(planned, policy), Conditions(capacity=(4,), per_node=4))
    return float(out.first[0]), float(out.done[0])


@pytest.mark.long
def test_nobody_waits_for_ever_behind_ever_new_short_ones() -> None:
    """Without a place kept for it, the gang would start after all of them."""
    first, done = a_gang_and_ever_new_short_ones(DEFAULT)
    assert first < 1.1 * DEFAULT.overdue_s
    assert done < 2 * DEFAULT.overdue_s
    never, _done = a_gang_and_ever_new_short_ones(replace(DEFAULT, overdue_s=np.inf))
    assert never > 4000 * 60.0


@pytest.mark.long
def test_nor_does_who_has_more_than_their_share_already() -> None:
    """Nine tenths of the stream are the gang's own member's: it is due later, but it is."""
    stream = [(60.0 * number, 1, 230.0) for number in range(4000)]
    owner = [0] + [0 if number % 10 else 1 for number in range(len(stream))]
    made = trace((0, 4, 20_000), *stream, owner=owner)
    machine = Conditions(capacity=(4,), per_node=4)
    put_off = replace(DEFAULT, overdue_beyond_s=100_000.0)
    first = run(made, partial(planned, put_off), machine).first[0]
    assert 100_000 <= first < 110_000
    never = run(made, partial(planned, replace(put_off, overdue_beyond_s=np.inf)), machine).first[0]
    assert never > 4000 * 60.0


WORK_S = 40_000.0


def time_of_a_member(pieces: int, members: int, accelerators: int, sigma: float | None) -> float:
    """When a member's `WORK_S` are done who cuts them to `pieces`, beside others with as much in one piece."""
    machine = Conditions(capacity=(accelerators,), per_node=accelerators, sigma=sigma)
    return float(run(cut(pieces, members), ours, machine).done[:pieces].max())


def cut(pieces: int, members: int) -> Trace:
    rows = [(0.0, 1, WORK_S / pieces)] * pieces + [(float(other), 1, WORK_S) for other in range(1, members)]
    return trace(*rows, owner=[0] * pieces + list(range(1, members)))


@pytest.mark.parametrize("sigma", [None, 0.5])
@pytest.mark.parametrize(("members", "accelerators"), [(2, 2), (6, 4), (8, 2)])
def test_cutting_a_job_to_pieces_gains_nothing(members: int, accelerators: int, sigma: float | None) -> None:
    """Twenty pieces are done no sooner than with an equal part all along; a quarter is for what urgency
    does between two passes.
    """
    equal_part = members * WORK_S / accelerators
    assert time_of_a_member(20, members, accelerators, sigma) > equal_part / 1.25


def gain(members: int, accelerators: int, sigma: float | None, part: float) -> float:
    """What a member who cuts their job has of the machine until `part` of the time that an equal part takes, over what
    they have who leave theirs in one piece: the mean of them all, as it is by chance which of them is first.
    """
    until = part * members * WORK_S / accelerators
    machine = Conditions(capacity=(accelerators,), per_node=accelerators, sigma=sigma, mark_s=until)
    whole, pieces = (run(cut(count, members), ours, machine).had for count in (1, 20))
    return float(pieces[0] / whole.mean())


@pytest.mark.parametrize("sigma", [None, 0.5])
@pytest.mark.parametrize(("members", "accelerators"), [(2, 2), (6, 4), (8, 2)])
def test_who_cuts_a_job_has_little_more_for_a_while_and_hardly_more_in_the_end(
    members: int, accelerators: int, sigma: float | None
) -> None:
    """Pieces are short, and run before what they have had tells against them: up to a third more, at half time."""
    assert gain(members, accelerators, sigma, 0.5) < 1.4
    assert gain(members, accelerators, sigma, 1.0) < 1.15


def test_who_submits_most_does_not_hold_up_the_others() -> None:
    """One member submits twelve long jobs, three others one each, a little later."""
    rows = [(0.0, 1, 20_000.0)] * 12 + [(600.0, 1, 20_000.0)] * 3
    made = trace(*rows, owner=[0] * 12 + [1, 2, 3])
    machine = Conditions(capacity=(4,), per_node=4)
    out = run(made, ours, machine)
    fair = fluid.equal_share_times(made, np.array([4.0]))
    rho = (out.done - made.arrival) / fair
    assert rho[12:].max() < 0.7
    assert out.done[12:].max() < 1.5 * 20_000


def test_it_runs_on_a_file_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    rows = "".join(f"{60 * number},job,1,{1000 + number},2.0,1.0\n" for number in range(30))
    file.write_text("arrival_s,job_type,gang,total_steps,fast_steps_per_s,slow_steps_per_s\n" + rows)
    call = partial(subprocess.run, capture_output=True, text=True)
    command = [sys.executable, "-m", "jobs.scheduler.simulate", str(file), "--per-node", "2"]
    done = call([*command, "--cluster", "fast=2,slow=2", "--copies", "3", "--members", "hog", "--json"])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["copies"] == 3
    assert 0 < said["mean"]["average"] < said["mean"]["makespan"]
    wrong = call([*command, "--cluster", "other=2"])
    assert (wrong.returncode, "other_steps_per_s" in wrong.stderr) == (2, True)
    unknown = call([*command, "--cluster", "fast=2,slow=2", "--set", "speed=3"])
    assert (unknown.returncode, "age_power" in unknown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("row", "machine", "sentence"),
    [
        ("0,8,100,1.0,1.0", "fast=4,slow=4", "needs 8 accelerators at once, a node has 4"),
        ("0,1,100,1.0,1.0", "fast=6,slow=4", "fast=6: nodes have 4 each, so this is a multiple of 4"),
        ("0,1,100,0.0,0.0", "fast=4,slow=4", "trace.csv, line 2: it makes no steps on any of these types"),
        ("0,1,100,1.0,0.0", "fast=0,slow=4", "it runs on no type there is"),
        ("0,1,100,fast,1.0", "fast=4,slow=4", "trace.csv, line 2: fast_steps_per_s is 'fast'"),
        ("0,1,100,nan,1.0", "fast=4,slow=4", "write a number from 0 on"),
        ("0,0,100,1.0,1.0", "fast=4,slow=4", "gang is a whole number from 1 on"),
    ],
)
def test_what_can_not_be_simulated_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, machine: str, sentence: str
) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(f"arrival_s,gang,total_steps,fast_steps_per_s,slow_steps_per_s\n{row}\n")
    assert main([str(file), "--cluster", machine, "--per-node", "4"]) == 2
    assert sentence in capsys.readouterr().err
