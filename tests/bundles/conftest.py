"""A member's trained model, and build folders as the engine leaves them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.bundles import services
from jobs.bundles.models import TrainedModel
from jobs.datasets.models import Dataset, Version, VersionFile, VersionState
from jobs.queue.models import Job
from jobs.queue.reasons import Status
from portal.core import storage
from portal.members.models import Member
from tests.bundles.brought import api, checked  # noqa: F401 - fixtures
from tests.bundles.folders import DEVICE, REPORT, as_bytes, write_manifest


@pytest.fixture
def version(alice: Member) -> Version:
    dataset = Dataset.objects.create(owner=alice, name="pets", task="image-classification")
    upload = storage.put_bytes(b"the uploaded zip")
    version = Version.objects.create(
        dataset=dataset, number=1, state=VersionState.READY, filename="pets.zip", upload=upload
    )
    VersionFile.objects.create(version=version, name="index.json.gz", blob=storage.put_bytes(b"index"))
    VersionFile.objects.create(version=version, name="strip-0.webp", blob=storage.put_bytes(b"strip"))
    return version


@pytest.fixture
def train_job(version: Version) -> Job:
    return Job.objects.create(
        owner=version.dataset.owner,
        kind="train",
        name="pets, Görlitz & co",
        status=Status.SUCCEEDED,
        recipe="image-classifier",
        dataset=version.dataset,
        version=version,
        spec={"targets": []},
    )


Train = Callable[..., TrainedModel]


@pytest.fixture
def trained(train_job: Job) -> Train:
    """Finish the training: the engine left these files."""

    def finish(report: bytes = as_bytes(REPORT), *, targets: tuple[str, ...] = ()) -> TrainedModel:
        train_job.spec = {"targets": list(targets)}
        train_job.save()
        artefacts = {
            "model.keras": storage.put_bytes(b"keras weights"),
            "report.json": storage.put_bytes(report),
        }
        services.record_trained(train_job, artefacts, {})
        return TrainedModel.objects.get(job=train_job)

    return finish


@pytest.fixture
def model(trained: Train) -> TrainedModel:
    return trained()


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """The folder that a build leaves: `/job/out` with `bundle` in it."""
    folder = tmp_path / "out" / "bundle"
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(bytes(range(256)) * 300)
    (folder / "labels.json").write_bytes(as_bytes(REPORT["labels"]))
    for name in ("run.py", "verify.py"):
        (folder / name).write_bytes((DEVICE / name).read_bytes())
    write_manifest(folder)
    return folder
