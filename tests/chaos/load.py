"""The work: members, a small real table, trainings on it, and many jobs that do nothing for a while."""

import csv
import random
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from django.db import transaction
from sklearn.datasets import load_iris

from jobs.datasets import services as datasets
from jobs.datasets import validation
from jobs.datasets.models import Task, Version, VersionState, Visibility
from jobs.queue import services
from jobs.queue.admission import parse_spec
from jobs.queue.models import Job
from portal.ledger.models import Quota
from portal.members.models import Member
from portal.members.services import create_member
from tests.chaos.noop import KIND, TRAINING

NAMES = ("ada", "ben", "cleo", "dan", "eve")
BATCH = 500
HOURS = 100_000.0
LEAST_S, MOST = 0.05, 2.5  # of a job that does nothing; and at most so many times the mean


def submit(*, jobs: int, trainings: int, length_s: float, slots: int, seed: int) -> None:
    """Queue so many jobs, so many of which are trainings, in an order and of lengths that the seed tells."""
    chance = random.Random(seed)
    owners = [_member(name, slots) for name in NAMES]
    data = _iris(owners[0])
    real = set(chance.sample(range(jobs), trainings))
    numbers = iter(range(jobs))
    while batch := list(islice(numbers, BATCH)):
        with transaction.atomic():
            for number in batch:
                owner = chance.choice(owners)
                if number in real:
                    _train(owner, data)
                else:
                    _idle(owner, data, min(chance.expovariate(1 / length_s), MOST * length_s))


def _train(owner: Member, data: Version) -> None:
    params = {"epochs": 2, "early_stop": False, "width": 8}
    body = {"recipe": "table-classifier", "dataset": data.dataset_id, "targets": [], "params": params}
    job = services.submit_job(owner=owner, spec=parse_spec(body))
    Job.objects.filter(pk=job.pk).update(
        accelerator=TRAINING
    )  # no node has told of such yet: it would be refused


def _idle(owner: Member, data: Version, seconds: float) -> None:
    services.submit_internal(
        owner=owner,
        kind=KIND,
        name="Nothing",
        spec={"seconds": max(seconds, LEAST_S)},
        dataset=data.dataset,
        version=data,
    )


def _member(name: str, slots: int) -> Member:
    """Who may use the whole machine."""
    member = create_member(name=name)
    Quota.objects.create(member=member, concurrent_jobs=slots, cpu_hours=HOURS, tpu_hours=HOURS)
    return member


def _iris(owner: Member) -> Version:
    """A small real table that everybody may use, ready."""
    dataset = datasets.create_dataset(
        owner=owner,
        name="Iris",
        task=Task.TABLE_CLASSIFICATION,
        label_column="species",
        visibility=Visibility.COMMUNITY,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
        csv.writer(file).writerows(_rows())
    place = Path(file.name)
    made = datasets.receive_file(dataset=dataset, file=place, size=place.stat().st_size, filename="iris.csv")
    validation.validate(made.pk)
    version = Version.objects.get(pk=made.pk)
    assert version.state == VersionState.READY, version.reason
    return version


def _rows() -> Iterator[Sequence[object]]:
    iris = load_iris()
    yield [*(name.removesuffix(" (cm)") for name in iris.feature_names), "species"]
    for measured, kind in zip(iris.data, iris.target, strict=True):
        yield [*measured, iris.target_names[kind]]
