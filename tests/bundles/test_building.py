"""From the request for a bundle to the signed zip."""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from hardware.targets.registry import TARGETS
from jobs.bundles import building, keys, services
from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.queue import kinds
from jobs.queue.kinds import Result
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason, Status
from jobs.queue.services import cancel_job
from portal.core import storage
from portal.core.models import Blob
from portal.kit.errors import UserError
from portal.ledger.models import Quota
from tests.bundles.conftest import Train
from tests.bundles.repeated import repeat

pytestmark = pytest.mark.django_db
PI = "raspberry-pi-4"
SUMMARY = {"accuracy": 0.97, "float_accuracy": 0.975, "model_bytes": 76_800, "samples": 40}


@pytest.fixture
def bundle(model: TrainedModel) -> Bundle:
    return services.request_bundle(model=model, target=PI)[0]


def result_of(build: Path) -> Result:
    return Result(out=build.parent, artefacts={}, summary=SUMMARY)


def finish(bundle: Bundle, build: Path) -> None:
    assert bundle.job is not None
    repeat(bundle, build)
    blobs = building.collect(bundle.job, result_of(build))
    building.finish(bundle.job, blobs, SUMMARY)
    bundle.refresh_from_db()


def fail(bundle: Bundle, reason: EndReason, message: str) -> None:
    job = bundle.job
    assert job is not None
    job.status, job.end_reason, job.message = Status.FAILED, reason, message
    job.save()
    building.ended(job)
    bundle.refresh_from_db()


class TestRequest:
    def test_it_queues_a_build_of_the_owner(self, model: TrainedModel) -> None:
        bundle, made = services.request_bundle(model=model, target=PI)
        assert made
        assert bundle.state == BundleState.BUILDING
        job = Job.objects.get(kind="build")
        assert (job, job.owner, job.status) == (bundle.job, model.owner, "queued")
        assert job.spec == {"model": model.pk, "target": PI, "options": {}}

    def test_asking_again_yields_the_same(self, bundle: Bundle) -> None:
        again, made = services.request_bundle(model=bundle.model, target=PI)
        assert (again, made) == (bundle, False)
        assert Job.objects.filter(kind="build").count() == 1

    @pytest.mark.parametrize("reason", [EndReason.REFUSED, EndReason.CRASHED])
    def test_a_refused_or_failed_one_can_be_tried_anew(self, bundle: Bundle, reason: EndReason) -> None:
        fail(bundle, reason, "No.")
        again, made = services.request_bundle(model=bundle.model, target=PI)
        assert made
        assert again.pk != bundle.pk
        assert bundle.model.bundle_rows == [again]

    def test_two_at_once_get_one(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = iter([None, bundle])  # the first look is before the other request's insert
        monkeypatch.setattr(services, "_current", lambda _wanted: next(answers))
        assert services.request_bundle(model=bundle.model, target=PI) == (bundle, False)
        assert Job.objects.filter(kind="build").count() == 1

    def test_unknown_targets_and_options_are_refused_in_words(self, model: TrainedModel) -> None:
        with pytest.raises(UserError, match="raspberry-pi-4") as refused:
            services.request_bundle(model=model, target="toaster")
        assert refused.value.code == "unknown_target"
        with pytest.raises(UserError, match="Unknown options: turbo"):
            services.request_bundle(model=model, target=PI, options={"turbo": True})
        assert not Job.objects.filter(kind="build").exists()

    def test_what_is_planned_is_refused_in_words(self, planned: str, model: TrainedModel) -> None:
        with pytest.raises(UserError, match="can't be built yet") as refused:
            services.request_bundle(model=model, target=planned)
        assert refused.value.code == "not_yet"
        assert planned not in {target.name for target in model.buildable}

    def test_a_model_whose_data_was_deleted_is_refused_in_words(self, model: TrainedModel) -> None:
        assert model.dataset is not None
        model.dataset.deleted_at = timezone.now()
        model.dataset.save()
        with pytest.raises(UserError) as refused:
            services.request_bundle(model=model, target=PI)
        assert refused.value.code == "no_data"

    def test_who_has_no_hours_of_what_builds_run_on_is_told_so(self, model: TrainedModel) -> None:
        Quota.objects.create(member=model.owner, cpu_hours=0)
        with pytest.raises(UserError, match="Your quota allows no CPU") as refused:
            services.request_bundle(model=model, target=PI)
        assert refused.value.code == "quota_zero"
        assert not Bundle.objects.exists()

    def test_a_build_that_could_never_run_does_not_undo_the_training(
        self, train_job: Job, trained: Train
    ) -> None:
        Quota.objects.create(member=train_job.owner, cpu_hours=0)
        (bundle,) = trained(targets=(PI,)).bundle_rows
        assert (bundle.state, bundle.job) == (BundleState.REFUSED, None)
        assert "Your quota allows no CPU" in bundle.reason


class TestAssignment:
    def test_the_task_is_what_the_engine_expects(self, bundle: Bundle) -> None:
        assert bundle.job is not None
        given = kinds.KINDS["build"].assign(bundle.job)
        version = bundle.model.version
        assert version is not None
        assert set(given.inputs) == {"model.keras", "report.json", "data/upload", "data/index.json.gz"}
        assert given.inputs["model.keras"] == bundle.model.keras
        assert given.inputs["data/upload"] == version.upload
        assert given.cache_key == version.pk
        task = given.task
        assert json.loads(json.dumps(task)) == json.loads(json.dumps(task, default=str))
        assert task["target"] == TARGETS[PI].as_json()
        paths = {name: task[name] for name in ("kind", "model", "report", "data", "data_key", "cache", "out")}
        assert paths == {
            "kind": "build",
            "model": "/job/in/model.keras",
            "report": "/job/in/report.json",
            "data": "/job/in/data",
            "data_key": version.upload.sha256,
            "cache": "/cache",
            "out": "/job/out",
        }

    def test_the_provenance_names_job_model_data_and_code(self, bundle: Bundle) -> None:
        assert bundle.job is not None
        said = building.assign(bundle.job).task["provenance"]
        version = bundle.model.version
        assert version is not None
        assert said["job"] == bundle.model.job_id
        assert said["model"] == bundle.model.pk
        assert (said["dataset"], said["version"]) == (version.dataset_id, 1)
        assert said["dataset_sha256"] == version.upload.sha256
        assert len(said["code_version"]) == 64
        assert said["name"] == bundle.model.name
        assert said["created_at"].endswith("+00:00")

    def test_without_its_data_it_ends_in_words(self, bundle: Bundle) -> None:
        TrainedModel.objects.filter(pk=bundle.model.pk).update(version=None)
        assert bundle.job is not None
        with pytest.raises(UserError) as refused:
            building.assign(bundle.job)
        assert refused.value.code == "bad_data"


class TestResult:
    def test_a_good_build_becomes_a_signed_zip(self, bundle: Bundle, build: Path) -> None:
        finish(bundle, build)
        assert bundle.state == BundleState.READY
        assert bundle.metrics == SUMMARY
        assert bundle.zip is not None
        with zipfile.ZipFile(storage.path_of(bundle.zip.sha256)) as archive:
            assert {name.split("/")[0] for name in archive.namelist()} == {"pets-gorlitz-co-raspberry-pi-4"}
            manifest = archive.read("pets-gorlitz-co-raspberry-pi-4/manifest.json")
        keys.signing_key().public_key().verify(base64.b64decode(bundle.signature), manifest)

    def test_a_tampered_build_is_not_signed_nor_stored(self, bundle: Bundle, build: Path) -> None:
        repeat(bundle, build)
        (build / "run.py").write_text("import os")
        assert bundle.job is not None
        before = set(Blob.objects.values_list("pk", flat=True))
        with pytest.raises(UserError, match="not signed"):
            building.collect(bundle.job, result_of(build))
        assert set(Blob.objects.values_list("pk", flat=True)) == before
        assert list((storage.blobs_root() / "incoming").iterdir()) == []

    @pytest.mark.parametrize(
        "summary", [{"accuracy": float("nan")}, {"text": "x" * 100_000}, {"odd": object()}, {"a\x00b": 1}]
    )
    def test_an_odd_summary_does_no_harm(self, bundle: Bundle, build: Path, summary: dict[str, Any]) -> None:
        assert bundle.job is not None
        repeat(bundle, build)
        building.finish(bundle.job, building.collect(bundle.job, result_of(build)), summary)
        bundle.refresh_from_db()
        assert bundle.state == BundleState.READY
        assert bundle.metrics in ({}, {"accuracy": None}, {"ab": 1})

    def test_what_cannot_run_on_its_target_is_refused_with_the_reason(self, bundle: Bundle) -> None:
        fail(bundle, EndReason.REFUSED, "It needs 900 MB, and a Raspberry Pi 4 has 640 MB free.")
        assert (bundle.state, bundle.reason[:15]) == (BundleState.REFUSED, "It needs 900 MB")

    def test_a_crash_is_a_failure_and_always_has_a_reason(self, bundle: Bundle) -> None:
        fail(bundle, EndReason.CRASHED, "")
        assert (bundle.state, bundle.reason) == (BundleState.FAILED, str(EndReason.CRASHED.label))

    def test_cancelling_a_queued_build_ends_its_bundle(self, bundle: Bundle) -> None:
        assert bundle.job is not None
        cancel_job(job=bundle.job, actor=bundle.model.owner)
        bundle.refresh_from_db()
        assert (bundle.state, bundle.reason) == (BundleState.FAILED, str(EndReason.CANCELLED.label))

    def test_a_ready_bundle_stays_ready(self, bundle: Bundle, build: Path) -> None:
        finish(bundle, build)
        fail(bundle, EndReason.CRASHED, "late")
        assert bundle.state == BundleState.READY


class TestYields:
    def test_a_training_names_its_model_and_bundles_a_build_its_bundle(self, bundle: Bundle) -> None:
        train, build = bundle.model.job_id, bundle.job_id
        assert train is not None
        assert build is not None
        found = kinds.yields_of([train, build, "nonsense"])
        assert found[train] == kinds.Yield(bundle.model.pk, (bundle.pk,))
        assert found[build] == kinds.Yield(None, (bundle.pk,))
        assert "nonsense" not in found

    def test_the_jobs_page_gets_the_model_its_bundles_and_what_to_build(self, bundle: Bundle) -> None:
        assert bundle.model.job is not None
        shown = kinds.panel_context(bundle.model.job)
        assert (shown["model"], shown["bundles"], shown["building"]) == (bundle.model, [bundle], True)
        assert PI not in {target.name for target in shown["buildable"]}
        assert "linux-pc" in {target.name for target in shown["buildable"]}

    def test_a_builds_page_gets_its_bundle(self, bundle: Bundle) -> None:
        assert bundle.job is not None
        assert kinds.panel_context(bundle.job)["bundles"] == [bundle]


def test_the_signing_key_is_made_once_and_private() -> None:
    first = keys.public_pem()
    assert first.startswith("-----BEGIN PUBLIC KEY-----")
    assert keys.public_pem() == first
    assert (settings.HOME / "secrets" / "signing-key.pem").stat().st_mode & 0o777 == 0o600
