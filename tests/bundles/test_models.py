"""What a finished training yields."""

import json

import pytest

from jobs.bundles import services
from jobs.bundles.models import Bundle, BundleState, ModelState, TrainedModel
from jobs.queue import kinds
from jobs.queue.models import Job
from portal.core import storage
from portal.kit.errors import UserError
from portal.members.models import Member
from tests.bundles.conftest import Train
from tests.bundles.folders import REPORT, as_bytes

pytestmark = pytest.mark.django_db


def test_a_training_yields_a_model_with_its_report(trained: Train, alice: Member, train_job: Job) -> None:
    model = trained()
    assert (model.owner, model.job, model.state) == (alice, train_job, ModelState.READY)
    assert (model.name, model.dataset, model.version) == (
        train_job.name,
        train_job.dataset,
        train_job.version,
    )
    assert model.labels == REPORT["labels"]
    assert model.report == REPORT


def test_the_queue_calls_us(train_job: Job) -> None:
    blobs = {"model.keras": storage.put_bytes(b"k"), "report.json": storage.put_bytes(as_bytes(REPORT))}
    kinds.KINDS["train"].finish(train_job, blobs, {})
    assert TrainedModel.objects.filter(job=train_job).exists()


def test_each_target_of_the_job_becomes_a_build(trained: Train) -> None:
    model = trained(targets=("raspberry-pi-4", "linux-pc"))
    builds = Job.objects.filter(kind="build").order_by("id")
    assert [job.spec["target"] for job in builds] == ["raspberry-pi-4", "linux-pc"]
    assert {job.spec["model"] for job in builds} == {model.pk}
    assert [bundle.job for bundle in model.bundles.order_by("id")] == list(builds)


def test_a_target_that_cannot_be_built_does_not_undo_the_training(trained: Train) -> None:
    model = trained(targets=("toaster", "linux-pc"))
    assert model.state == ModelState.READY
    refused = model.bundles.get(target="toaster")
    assert (refused.state, refused.job) == (BundleState.REFUSED, None)
    assert "There is no such target" in refused.reason
    assert model.bundles.get(target="linux-pc").state == BundleState.BUILDING


def test_without_weights_the_training_fails_in_words(train_job: Job) -> None:
    with pytest.raises(UserError, match="without a model"):
        services.record_trained(train_job, {"report.json": storage.put_bytes(as_bytes(REPORT))}, {})


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        as_bytes({**REPORT, "metrics": {}}),
        as_bytes({**REPORT, "labels": [1, 2]}),
        as_bytes({**REPORT, "labels": ["x" * 201]}),
        as_bytes({**REPORT, "labels": [str(n) for n in range(10_001)]}),
        b'{"padding": "' + b"x" * (9 * 1024**2) + b'"}',
    ],
    ids=range(10),
)
def test_a_report_that_cannot_be_trusted_refuses_the_model(trained: Train, report: bytes) -> None:
    model = trained(report, targets=("linux-pc",))
    assert model.state == ModelState.REFUSED
    assert "Submit the job again" in model.reason
    assert not Bundle.objects.exists()


def test_a_report_without_any_file_refuses_the_model(train_job: Job) -> None:
    services.record_trained(train_job, {"model.keras": storage.put_bytes(b"k")}, {})
    assert TrainedModel.objects.get().state == ModelState.REFUSED


def test_numbers_that_json_has_no_word_for_become_null(trained: Train) -> None:
    text = json.dumps({**REPORT, "metrics": {"test": {"r2": float("nan"), "mae": 1e400, "rmse": 2.5}}})
    text = text.replace("2.5", "1e999")
    assert trained(text.encode()).report["metrics"]["test"] == {"r2": None, "mae": None, "rmse": None}


def test_text_that_no_database_takes_is_cleaned(trained: Train) -> None:
    content = json.dumps({**REPORT, "labels": ["a\x00b", "\ud800"]}).encode()
    assert trained(content).labels == ["ab", "?"]


def test_a_regression_has_no_labels(trained: Train) -> None:
    report = {
        "task": "table-regression",
        "labels": None,
        "metrics": {"test": {"mae": 1.0, "rmse": 1.5, "r2": 0.9}},
    }
    assert trained(as_bytes(report)).labels == []


class TestWarmStart:
    def test_the_owner_may_start_from_it(self, model: TrainedModel, alice: Member) -> None:
        assert kinds.warm_start_blob(owner=alice, model=model.pk) == model.keras

    def test_others_are_told_no(self, model: TrainedModel, bob: Member) -> None:
        for pk in (model.pk, "nonsense"):
            with pytest.raises(UserError) as refused:
                kinds.warm_start_blob(owner=bob, model=pk)
            assert refused.value.code == "unknown_model"
