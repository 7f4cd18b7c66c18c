"""Bundles for FPGA boards: built where the tools are, within a training, and run on a board that is plugged in."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from hardware.nodes.models import Accelerator, Node
from hardware.targets.fpga import TOOLCHAIN
from jobs.bundles import building, evaluating, services, together
from jobs.bundles.models import Bundle, BundleState, ModelState, TrainedModel
from jobs.queue import kinds, lifecycle, nodefiles
from jobs.queue.kinds import Result
from jobs.queue.models import Artefact, Job
from portal.core import storage
from portal.kit.errors import UserError
from portal.ledger.models import Quota
from portal.members.models import Member
from tests.bundles.folders import REPORT, as_bytes, write_manifest
from tests.bundles.repeated import repeat

pytestmark = pytest.mark.django_db
ULX3S, PI = "ulx3s-12f", "raspberry-pi-4"
METRICS = {"accuracy": 0.97, "cells": 5133, "lanes": 16, "latency_ms": 0.4}
ClientFor = Callable[[Member], Client]


@pytest.fixture
def node() -> Node:
    return Node.objects.create(name="mill-1", key_sha256="0" * 64)


@pytest.fixture
def tools(node: Node) -> Accelerator:
    return Accelerator.objects.create(node=node, kind="fpga", index=0, model=TOOLCHAIN)


@pytest.fixture
def board(node: Node) -> Accelerator:
    node.probe = {"accelerators": [{"kind": "fpga", "index": 1, "details": {"port": "/dev/ttyUSB0"}}]}
    node.save()
    return Accelerator.objects.create(node=node, kind="fpga", index=1, model="ULX3S 12F")


@pytest.fixture
def bundle(model: TrainedModel, tools: Accelerator) -> Bundle:
    return services.request_bundle(model=model, target=ULX3S)[0]


def job_of(bundle: Bundle) -> Job:
    assert bundle.job is not None
    return bundle.job


class TestBuild:
    def test_it_is_queued_for_the_tools_place_with_a_limit_of_time(self, bundle: Bundle) -> None:
        job = job_of(bundle)
        assert (job.kind, job.accelerator) == ("build", "fpga")
        assert job.spec["resources"] == {"max_minutes": 60}
        assert not kinds.KINDS["build"].preemptible

    def test_it_is_given_what_its_node_has_prepared(self, bundle: Bundle) -> None:
        given = building.assign(job_of(bundle))
        assert given.shelf == nodefiles.BITSTREAMS
        assert given.task["prepared"] == f"/job/in/{given.shelf}"

    def test_a_build_for_another_target_is_given_nothing_of_it(self, model: TrainedModel) -> None:
        job = job_of(services.request_bundle(model=model, target=PI)[0])
        assert (job.accelerator, building.assign(job).shelf) == ("cpu", "")
        assert "resources" not in job.spec

    @pytest.mark.usefixtures("board")
    def test_where_no_node_has_the_tools_it_is_refused(self, model: TrainedModel) -> None:
        with pytest.raises(UserError, match="no node here has the tools for FPGA boards") as refused:
            services.request_bundle(model=model, target=ULX3S)
        assert (refused.value.code, refused.value.errors[0].field) == ("no_such_accelerator", "target")
        assert not Bundle.objects.exists()

    @pytest.mark.usefixtures("tools")
    def test_who_has_no_hours_there_is_told_so(self, model: TrainedModel) -> None:
        Quota.objects.create(member=model.owner, fpga_hours=0)
        with pytest.raises(UserError, match="Your quota allows no FPGA"):
            services.request_bundle(model=model, target=ULX3S)

    @pytest.mark.usefixtures("tools")
    @pytest.mark.parametrize(("width", "fits"), [(64, False), (8, True)])
    def test_what_its_engine_has_no_room_for_is_refused_at_once(
        self, width: int, fits: bool, model: TrainedModel
    ) -> None:
        assert model.version is not None
        assert model.job is not None
        model.version.report = {"classes": {"a": 1, "b": 1}, "pictures": {"side": 8, "coloured": False}}
        model.job.spec = {"params": {"width": 64}}
        model.report["fit"] = {"chosen": {"width": width}}  # what the training made of it
        if fits:
            assert services.request_bundle(model=model, target=ULX3S)[1]
            return
        with pytest.raises(UserError, match="bytes for its weights and the engine of ULX3S") as refused:
            services.request_bundle(model=model, target=ULX3S)
        assert refused.value.code == "too_large"

    @pytest.mark.usefixtures("tools")
    def test_the_bitstream_that_holds_the_model_is_another_bundle(self, bundle: Bundle) -> None:
        held, made = services.request_bundle(model=bundle.model, target=ULX3S, options={"contained": True})
        assert made
        assert building.assign(job_of(held)).task["options"] == {"contained": True}
        again, made = services.request_bundle(model=bundle.model, target=ULX3S, options={"contained": False})
        assert (again, made) == (bundle, False)
        with pytest.raises(UserError, match="Only bitstreams for FPGA boards"):
            services.request_bundle(model=bundle.model, target=PI, options={"contained": True})
        with pytest.raises(UserError, match=r"No bitstream for iCEBreaker .* can hold the model"):
            services.request_bundle(model=bundle.model, target="icebreaker", options={"contained": True})

    @pytest.mark.usefixtures("tools")
    @pytest.mark.parametrize(
        ("target", "options"),
        [("ulx3s-45f", {"contained": True}), ("icebreaker", {}), (PI, {})],
    )
    def test_the_form_asks_for_it_where_there_is_one(
        self, target: str, options: dict[str, bool], bundle: Bundle, client_for: ClientFor
    ) -> None:
        client = client_for(bundle.model.owner)
        client.post(f"/models/{bundle.model.pk}/bundles", {"target": target, "contained": "on"})
        made = Bundle.objects.get(model=bundle.model, target=target)
        assert made.options == options
        page = client.get("/models").content.decode()
        assert " data-holds>ULX3S (Lattice ECP5 25F)" in page
        assert " data-holds>Raspberry" not in page

    @pytest.mark.parametrize("contained", [True, False])
    def test_a_bundle_offers_to_build_the_other(
        self, contained: bool, bundle: Bundle, client_for: ClientFor
    ) -> None:
        options = {"contained": True} if contained else {}
        Bundle.objects.filter(pk=bundle.pk).update(state=BundleState.READY, options=options)
        page = client_for(bundle.model.owner).get("/models").content.decode()
        assert page.count("Build one with a bitstream that holds the model") == int(not contained)

    def test_what_the_tools_said_is_kept_for_who_sees_the_job(
        self, bundle: Bundle, build: Path, client_for: ClientFor, bob: Member
    ) -> None:
        log = build.parent / "tools.log"
        log.write_text("yosys: <b>done</b>")
        repeat(bundle, build)
        blobs = building.collect(job_of(bundle), Result(build.parent, {"tools.log": log}, METRICS))
        building.finish(job_of(bundle), blobs, METRICS)
        at = f"/jobs/{job_of(bundle).pk}/evidence/tools.log"
        answer = client_for(bundle.model.owner).get(at)
        assert b"".join(answer.streaming_content) == b"yosys: <b>done</b>"  # type: ignore[attr-defined]
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert client_for(bob).get(at).status_code == 404
        page = client_for(bundle.model.owner).get(f"/jobs/{job_of(bundle).pk}").content.decode()
        assert at in page
        assert "5,133" in page
        assert "host.py --selftest" in page
        assert "run.py --selftest" not in page

    @pytest.mark.parametrize(
        ("target", "metrics", "told"), [(ULX3S, METRICS, 1), (PI, {"accuracy": 0.97}, 0)]
    )
    def test_lanes_and_cells_are_explained_where_they_are_shown(
        self, target: str, metrics: dict[str, Any], told: int, bundle: Bundle, client_for: ClientFor
    ) -> None:
        Bundle.objects.filter(pk=bundle.pk).update(target=target, state=BundleState.READY, metrics=metrics)
        client = client_for(bundle.model.owner)
        for at in (f"/jobs/{job_of(bundle).pk}", "/models"):
            page = client.get(at).content.decode()
            assert page.count("What lanes and cells are") == told, at
            assert page.count("<dt>lanes</dt><dd>16</dd>") == told, at

    @pytest.mark.parametrize("contained", [True, False])
    def test_a_bundle_says_whether_a_bitstream_in_it_holds_the_model(
        self, contained: bool, bundle: Bundle, client_for: ClientFor
    ) -> None:
        held, _ = services.request_bundle(model=bundle.model, target=ULX3S, options={"contained": contained})
        Bundle.objects.filter(pk=held.pk).update(state=BundleState.READY, metrics=METRICS)
        page = client_for(bundle.model.owner).get("/models").content.decode()
        assert page.count("A second bitstream in it holds the model") == int(contained)


class TestTogether:
    @pytest.fixture
    def job(self, train_job: Job, tools: Accelerator) -> Job:  # noqa: ARG002 - it is there
        train_job.accelerator = "fpga"
        train_job.spec = {"targets": [PI, ULX3S], "params": {}, "resources": {"accelerator": "fpga"}}
        train_job.save()
        return train_job

    def left(self, job: Job, build: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
        """What the engine left; the kind's `collect` and `finish` have been at it."""
        files = {"model.keras": b"keras weights", "report.json": as_bytes(REPORT)}
        for name, content in files.items():
            (build.parent / name).write_bytes(content)
        kind = kinds.KINDS["train"]
        artefacts = {name: build.parent / name for name in files}
        blobs = kind.collect(job, Result(build.parent, artefacts, summary))
        kind.finish(job, blobs, summary)
        return dict(blobs)

    def manifest(self, job: Job, build: Path, **changes: Any) -> None:
        """As the engine writes it for what the assignment says."""
        task = kinds.KINDS["train"].assign(job).task["build"]
        where = {name: value for name, value in task["provenance"].items() if name not in building.APART}
        model = storage.put_bytes(b"keras weights").sha256
        said = {
            "receipt": task["receipt"],
            "signed_by": task["signed_by"],
            "created_at": task["provenance"]["created_at"],
            "provenance": {**where, "model_sha256": model},
            **changes,
        }
        write_manifest(build, **json.loads(json.dumps(said)))

    def test_it_is_one_task_of_the_engine(self, job: Job) -> None:
        given = kinds.KINDS["train"].assign(job)
        assert given.task["kind"] == "train-and-build"
        train, build = given.task["train"], given.task["build"]
        assert (train["kind"], train["targets"][0]["name"]) == ("train", PI)
        assert build["target"]["name"] == ULX3S
        assert (build["model"], build["report"]) == ("/job/out/model.keras", "/job/out/report.json")
        assert build["provenance"]["model"] == job.pk
        assert build["receipt"]["training"] is None
        assert given.shelf == nodefiles.BITSTREAMS
        assert set(given.inputs) == {"data/upload", "data/index.json.gz"}

    def test_elsewhere_a_training_is_a_training(self, job: Job) -> None:
        job.accelerator = "any"
        given = kinds.KINDS["train"].assign(job)
        assert (given.task["kind"], given.shelf) == ("train", "")

    def test_it_leaves_a_model_and_its_bundle(self, job: Job, build: Path) -> None:
        self.manifest(job, build)
        self.left(job, build, {"build": {"metrics": METRICS}})
        model = TrainedModel.objects.get(job=job)
        assert (model.pk, model.state) == (job.pk, ModelState.READY)
        assert model.receipt["training"] is not None
        pi, ulx3s = sorted(model.bundle_rows, key=lambda row: row.target)
        assert (ulx3s.state, ulx3s.job, ulx3s.metrics) == (BundleState.READY, job, METRICS)
        assert ulx3s.signature
        assert (pi.state, pi.job) == (BundleState.BUILDING, Job.objects.get(kind="build"))
        assert kinds.yields_of([job.pk])[job.pk] == kinds.Yield(model.pk, tuple(sorted((pi.pk, ulx3s.pk))))

    def test_a_bitstream_that_could_not_be_made_leaves_the_model(self, job: Job, build: Path) -> None:
        self.left(job, build, {"build": {"refused": "Nothing was routed."}})
        (found,) = Bundle.objects.filter(target=ULX3S)
        assert (found.state, found.reason) == (BundleState.REFUSED, "Nothing was routed.")
        assert found.model.state == ModelState.READY
        again, made = services.request_bundle(model=found.model, target=ULX3S)
        assert (made, again.state) == (True, BundleState.BUILDING)

    @pytest.mark.parametrize("changes", [{"receipt": {}}, {"created_at": "never"}])
    def test_a_bundle_that_says_something_else_than_the_portal_is_not_signed(
        self, changes: dict[str, Any], job: Job, build: Path
    ) -> None:
        self.manifest(job, build, **changes)
        blobs = self.left(job, build, {"build": {"metrics": METRICS}})
        assert building.BUNDLE_FILE not in blobs
        (found,) = Bundle.objects.filter(target=ULX3S)
        assert (found.state, found.zip) == (BundleState.REFUSED, None)
        assert "not what it says" in found.reason

    @pytest.mark.parametrize("summary", [{}, {"build": "no"}, {"build": {"refused": 7}}])
    def test_an_odd_summary_does_no_harm(self, summary: dict[str, Any], job: Job, build: Path) -> None:
        self.left(job, build, summary)
        assert Bundle.objects.get(target=ULX3S).state == BundleState.REFUSED

    def test_installed_twice_it_is_the_same(self, job: Job) -> None:
        together.install()
        assert kinds.KINDS["train"].assign(job).task["train"]["kind"] == "train"


class TestOnABoard:
    @pytest.fixture
    def ready(self, bundle: Bundle) -> Bundle:
        bundle.state, bundle.zip = BundleState.READY, storage.put_bytes(b"zip")
        bundle.save()
        return bundle

    def ask(self, bundle: Bundle) -> Job:
        return evaluating.request_evaluation(bundle=bundle, actor=bundle.model.owner)

    def begun(self, job: Job, board: Accelerator) -> Job:
        lifecycle.begin(job, node=board.node, accelerators=[board])
        return job

    def test_without_a_board_it_is_refused_in_words(self, ready: Bundle) -> None:
        with pytest.raises(UserError, match=r"No node has a ULX3S .* attached") as refused:
            self.ask(ready)
        assert (refused.value.code, refused.value.status) == ("no_such_accelerator", 409)
        assert not Job.objects.filter(kind="evaluate").exists()

    @pytest.mark.usefixtures("board")
    @pytest.mark.parametrize(
        ("changes", "code"), [({"target": PI}, "unsuitable_target"), ({"state": "building"}, "not_ready")]
    )
    def test_only_a_bundle_that_is_there_and_for_a_board(
        self, changes: dict[str, str], code: str, ready: Bundle
    ) -> None:
        for name, value in changes.items():
            setattr(ready, name, value)
        with pytest.raises(UserError) as refused:
            self.ask(ready)
        assert refused.value.code == code

    def test_it_runs_at_the_serial_line_of_the_board_that_it_is_given(
        self, ready: Bundle, board: Accelerator
    ) -> None:
        job = self.begun(self.ask(ready), board)
        assert job.accelerator == "fpga:ulx3s-12f"
        given = evaluating.assign(job)
        assert (given.task["kind"], given.task["port"], given.devices) == (
            "evaluate", "/dev/ttyUSB0", ("/dev/ttyUSB0",)
        )  # fmt: skip
        assert given.inputs["bundle.zip"] == ready.zip
        assert {"data/upload", "data/index.json.gz"} < set(given.inputs)

    def test_a_board_whose_line_is_not_found_fails_in_words(self, ready: Bundle, board: Accelerator) -> None:
        board.node.probe = {}
        board.node.save()
        with pytest.raises(UserError, match="no serial line of this board"):
            evaluating.assign(self.begun(self.ask(ready), board))

    @pytest.mark.usefixtures("board")
    def test_what_came_of_it_stands_with_the_bundle(self, ready: Bundle, client_for: ClientFor) -> None:
        job = self.ask(ready)
        ready.metrics = METRICS
        ready.save()
        evaluating.finish(job, {}, {"samples": 40, "mismatches": 0, "answer_ms": 3.25})
        ready.refresh_from_db()
        assert ready.metrics == METRICS | {"on_board": {"samples": 40, "mismatches": 0, "answer_ms": 3.25}}
        page = client_for(ready.model.owner).get("/models").content.decode()
        assert "A board here answered 40 test samples, 3.2 ms each" in page

    @pytest.mark.usefixtures("board")
    def test_the_api_and_the_page_ask_for_it(
        self, ready: Bundle, api_for: Callable[..., Any], client_for: ClientFor
    ) -> None:
        answer = api_for(ready.model.owner).post(f"/api/v1/bundles/{ready.pk}/evaluate")
        assert (answer.status_code, answer.json()["kind"]) == (202, "evaluate")
        page = client_for(ready.model.owner).post(f"/bundles/{ready.pk}/evaluate")
        job = Job.objects.filter(kind="evaluate").latest("pk")
        assert (page.status_code, page.headers["Location"]) == (302, f"/jobs/{job.pk}")
        assert not Artefact.objects.exists()
