"""How long a job will take, from those before it: by its recipe, its data and the size of its net."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import nan

import numpy as np
import pytest
from django.utils import timezone

from hardware.nodes import services as nodes
from hardware.nodes.models import AcceleratorKind, Node
from jobs.datasets.models import Version
from jobs.queue import columns, estimates, learning, lifecycle
from jobs.queue.learning import Belief
from jobs.queue.lifecycle import Held
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import EndReason
from jobs.queue.work import speeds
from jobs.scheduler.snapshot import NOWHERE
from portal.members.models import Member

Submit = Callable[..., Job]
Start = Callable[..., Held]


def ran(job: Job, start: Start, seconds: float) -> None:
    """As if it had trained for so long."""
    held = start(job)
    lifecycle.end(held, EndReason.DONE)
    now = timezone.now()
    Attempt.objects.filter(job=job).update(started_at=now - timedelta(seconds=seconds), ended_at=now)


def remaining(job: Job) -> float:
    """Seconds that the scheduler expects of a job that waits."""
    taken = columns.take_snapshot(columns.take_machine(), now=timezone.now().timestamp())
    assert taken.jobs.pool[taken.jobs.ids.index(job.pk)] == NOWHERE
    return float(taken.jobs.remaining[taken.jobs.ids.index(job.pk)])


def test_the_size_of_the_net_is_known_when_a_job_is_submitted(
    version: Version, submit: Submit, start: Start
) -> None:
    assert submit().macs is None  # its version was checked before pictures were looked at
    Version.objects.update(
        report={"samples": 9, "classes": {"a": 4, "b": 5}, "pictures": {"side": 32, "coloured": True}}
    )
    small, large = (submit(params={"width": width}).macs for width in (8, 32))
    assert small is not None
    assert large is not None
    assert 4 * small < large < 20 * small


def test_a_larger_net_is_expected_to_take_longer(submit: Submit, start: Start) -> None:
    """Ten times the multiply-accumulates took five times as long: 100 times would take 25 times."""
    for macs, seconds in ((10**6, 100.0), (10**7, 500.0)) * 4:
        job = submit(params={"epochs": 10})
        Job.objects.filter(pk=job.pk).update(macs=macs)
        ran(job, start, seconds)
    waits = submit(params={"epochs": 10})
    for macs, low, high in ((10**6, 90, 110), (10**7, 450, 550), (10**8, 2000, 3000), (None, 90, 550)):
        Job.objects.filter(pk=waits.pk).update(macs=macs)
        assert low < remaining(waits) < high
    Job.objects.filter(pk=waits.pk).update(macs=10**7, spec=waits.spec | {"params": {"epochs": 30}})
    assert remaining(waits) == pytest.approx(1500, rel=0.1)


def test_one_job_says_little_of_how_time_grows(submit: Submit, start: Start) -> None:
    """Then with the square root, as was guessed."""
    job = submit(params={"epochs": 10})
    Job.objects.filter(pk=job.pk).update(macs=10**6)
    ran(job, start, 100.0)
    waits = submit(params={"epochs": 10})
    Job.objects.filter(pk=waits.pk).update(macs=10**8)
    assert remaining(waits) == pytest.approx(1000, rel=0.01)


def test_without_sizes_the_median_is_what_is_expected(submit: Submit, start: Start) -> None:
    for seconds in (100.0, 120.0, 9000.0):
        ran(submit(params={"epochs": 10}), start, seconds)
    assert remaining(submit(params={"epochs": 10})) == pytest.approx(120, rel=0.01)
    known = estimates.priors(speeds())["image-classifier"]
    told = estimates.seconds(np.array([known] * 2), np.array([90.0, nan]), np.array([nan, 5.0]))
    assert told[0] == pytest.approx(120, rel=0.01)
    assert np.isnan(told[1])


CPU, GPU, OTHER = ("cpu", "Xeon"), ("gpu", "T4"), ("gpu", "A100")
BELIEVED = {CPU: Belief(1.0, 0.2), GPU: Belief(10.0, 1.5), OTHER: Belief(10.0, 1.5)}


def seen(model: learning.Model, recipe: str, speed: float, count: int) -> Sequence[learning.Seen]:
    """Jobs whose time grows with the 0.7th power of their nets, some a quarter off."""
    return [
        learning.Seen(recipe, model, 1e-5 * macs**0.7 / speed * (1.25 if number % 2 else 0.8), macs)
        for number, macs in enumerate(np.geomspace(1e5, 1e8, count).tolist())
    ]


def test_a_models_speed_is_learnt_from_what_jobs_took_on_it() -> None:
    jobs = [
        *seen(CPU, "pictures", 1.0, 40),
        *seen(GPU, "pictures", 4.0, 40),
        *seen(OTHER, "pictures", 20.0, 4),
    ]
    found = learning.fit(jobs, BELIEVED)
    assert found[GPU] / found[CPU] == pytest.approx(4.0, rel=0.15)
    assert found[CPU] == pytest.approx(1.0, rel=0.1)
    assert OTHER not in found  # four jobs are too few


def test_a_recipe_that_ran_on_one_model_only_says_nothing_of_it() -> None:
    jobs = [*seen(CPU, "tables", 1.0, 20), *seen(GPU, "pictures", 3.0, 20)]
    assert learning.fit(jobs, BELIEVED) == pytest.approx({CPU: 1.0, GPU: 10.0}, rel=0.01)
    assert learning.fit(seen(CPU, "tables", 5.0, 20), BELIEVED) == {}


@pytest.mark.parametrize("by_steward", [False, True])
def test_the_nodes_know_what_was_learnt_unless_a_steward_said_it(
    submit: Submit, node: Node, cora: Member, by_steward: bool
) -> None:
    """On the CPU jobs took three times what they took on the GPU, which was thought to be ten times as fast."""
    cpu = node.accelerators.get(kind="cpu")
    gpu = nodes.add(node, kind=AcceleratorKind.GPU, model="T4", memory_bytes=0, actor=cora)
    if by_steward:
        nodes.correct(gpu, nodes.Correction(relative_speed=12.0), cora)
    for each, seconds in ((cpu, 300.0), (gpu, 100.0)) * 6:
        job = submit(params={"epochs": 10})
        Job.objects.filter(pk=job.pk).update(macs=10**6)
        attempt = lifecycle.begin(job, node=node, accelerators=[each])
        held = lifecycle.claim(attempt.pk, holder="test")
        assert held is not None
        lifecycle.started(held)
        lifecycle.end(held, EndReason.DONE)
        now = timezone.now()
        Attempt.objects.filter(job=job).update(started_at=now - timedelta(seconds=seconds), ended_at=now)
    assert learning.learn() == 1
    cpu.refresh_from_db()
    gpu.refresh_from_db()
    if by_steward:
        assert gpu.relative_speed == 12.0
        assert cpu.relative_speed > 1.5
    else:
        assert gpu.relative_speed == pytest.approx(3.0, rel=0.2)
        assert cpu.relative_speed == 1.0
    assert learning.learn() == 0
