"""Where a node's tools for FPGA boards are, and boards: places that jobs get only when they ask for them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hardware.nodes.models import Accelerator, Node
from hardware.targets.fpga import FPGA, TOOLCHAIN
from jobs.datasets.models import Version
from jobs.queue import dispatch, outlook, places, waiting
from jobs.queue.kinds import usable
from jobs.queue.models import Attempt, Job
from jobs.queue.places import place_of
from jobs.queue.replay import history
from jobs.scheduler import lifetable
from jobs.scheduler.replay import history as replayed
from portal.core import leases
from portal.ledger.models import Quota
from portal.members.models import Member

Submit = Callable[..., Job]
ApiFor = Callable[[Member], Any]
ULX3S = "ulx3s-12f"
OTHER = next((each.name for each in FPGA if each.buildable and each.name != ULX3S), "")
HERE = {"resources": {"accelerator": "fpga"}}


@pytest.fixture
def tools(node: Node) -> Accelerator:
    return Accelerator.objects.create(node=node, kind="fpga", index=0, model=TOOLCHAIN)


@pytest.fixture
def board(node: Node) -> Accelerator:
    return Accelerator.objects.create(node=node, kind="fpga", index=1, model="ULX3S 12F")


@pytest.fixture
def looked_at(version: Version) -> Version:
    version.report = {
        "samples": 90,
        "classes": {"a": 45, "b": 45},
        "pictures": {"side": 8, "coloured": False},
    }
    version.save()
    return version


@pytest.fixture
def go(db: None) -> Callable[[], int]:
    epoch = leases.take(leases.named(dispatch.LEADER), holder="test", ttl_s=60)
    assert epoch is not None
    return lambda: dispatch.dispatch(now=timezone.now().timestamp(), epoch=epoch)


def on(job: Job) -> str:
    """The model of what it was sent to."""
    return Attempt.objects.get(job=job).accelerators.get().model


def queued(job: Job, kind: str, accelerator: str) -> Job:
    Job.objects.filter(pk=job.pk).update(kind=kind, accelerator=accelerator)
    return job


@pytest.mark.parametrize(
    ("kind", "model", "place"),
    [
        ("cpu", "ULX3S 12F", "cpu"),
        ("fpga", TOOLCHAIN, "fpga"),
        ("fpga", "ULX3S 12F", "fpga:ulx3s-12f"),
        ("fpga", "ulx3s-85f", "fpga:ulx3s-85f"),
        ("fpga", "iCEBreaker (Lattice iCE40 UP5K)", "fpga:icebreaker"),  # as the catalogue calls it
        ("fpga", "ULX3S", "fpga:?"),  # of which size, nobody knows
    ],
)
def test_a_place_is_a_class_or_a_board(kind: str, model: str, place: str) -> None:
    assert place_of(kind, model) == place
    assert places.kind_of(place) == kind


def test_who_asks_for_any_gets_neither() -> None:
    assert usable("train", "any") == {"cpu", "gpu"}
    assert usable("build", "any") == {"cpu"}
    assert usable("evaluate", "any") == frozenset()
    assert usable("train", "fpga") == usable("build", "fpga") == {"fpga"}
    assert usable("train", "fpga:ulx3s-12f") == usable("evaluate", "fpga") == frozenset()


@pytest.mark.usefixtures("board", "tools")
def test_a_build_for_a_board_is_where_the_tools_are_and_an_evaluation_on_the_board(
    submit: Submit, alice: Member, go: Callable[[], int]
) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=9)
    build = queued(submit(), "build", "fpga")
    evaluation = queued(submit(), "evaluate", f"fpga:{ULX3S}")
    other = queued(submit(), "evaluate", "fpga:ulx3s-85f")
    assert go() == 2
    assert (on(build), on(evaluation)) == (TOOLCHAIN, "ULX3S 12F")
    assert Job.objects.get(pk=other.pk).status == "queued"


def test_a_board_is_no_place_to_build_at(submit: Submit, board: Accelerator, go: Callable[[], int]) -> None:
    job = queued(submit(), "build", "fpga")
    assert go() == 0
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    assert waiting.wait_of(job).blocker == "nowhere"


@pytest.mark.usefixtures("tools")
def test_who_waits_for_the_tools_is_not_advised_to_build_elsewhere(
    submit: Submit, alice: Member, go: Callable[[], int]
) -> None:
    Quota.objects.create(member=alice, concurrent_jobs=9)
    queued(submit(), "build", "fpga")
    assert go() == 1
    second = queued(submit(), "build", "fpga")
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    told = waiting.wait_of(second)
    assert (told.blocker, told.alternatives) == ("accelerator", [])


def test_hours_are_the_class_s_whichever_board_it_is(
    submit: Submit, alice: Member, board: Accelerator, go: Callable[[], int]
) -> None:
    Quota.objects.create(member=alice, fpga_hours=0)
    job = queued(submit(), "evaluate", f"fpga:{ULX3S}")
    assert go() == 0
    outlook.refresh(now=timezone.now().timestamp(), lives=lifetable.EMPTY)
    assert "Your quota has no FPGA hours" in waiting.wait_of(job).sentence


class TestSubmission:
    def post(self, api: Any, version: Version, **more: object) -> dict[str, Any]:
        body = {"recipe": "image-classifier", "dataset": version.dataset_id, "targets": [ULX3S], **more}
        answer = api.post("/api/v1/jobs", body)
        assert answer.status_code in {201, 400, 403}, answer.content
        return dict(answer.json())

    @pytest.mark.usefixtures("board")
    def test_without_tools_nothing_is_promised(
        self, looked_at: Version, alice: Member, api_for: ApiFor
    ) -> None:
        """Neither a training for a board, nor one that is to run where there is none of them."""
        problem = self.post(api_for(alice), looked_at)
        assert (problem["code"], problem["errors"][0]["field"]) == ("no_such_accelerator", "targets")
        assert "no node here has the tools for FPGA boards" in problem["detail"]
        problem = self.post(api_for(alice), looked_at, **HERE)
        assert (problem["code"], problem["errors"][0]["field"]) == (
            "no_such_accelerator",
            "resources.accelerator",
        )
        assert not Job.objects.exists()

    @pytest.mark.usefixtures("tools")
    def test_whose_hours_are_none_is_told_before_anything_is_trained(
        self, looked_at: Version, alice: Member, api_for: ApiFor
    ) -> None:
        Quota.objects.create(member=alice, fpga_hours=0)
        assert "Your quota allows no FPGA" in self.post(api_for(alice), looked_at)["detail"]

    @pytest.mark.usefixtures("tools")
    @pytest.mark.parametrize("targets", [[], ["raspberry-pi-4"], [ULX3S, OTHER]])
    def test_who_trains_at_the_tools_names_one_board(
        self, targets: list[str], looked_at: Version, alice: Member, api_for: ApiFor
    ) -> None:
        if "" in targets:
            pytest.skip("one board alone is offered")
        problem = self.post(api_for(alice), looked_at, targets=targets, **HERE)
        assert (problem["code"], problem["errors"][0]["field"]) == ("unsuitable_target", "targets")
        count = sum(name in {ULX3S, OTHER} for name in targets)
        assert f"name one such target, not {count}." in problem["detail"]

    @pytest.mark.usefixtures("tools")
    def test_what_its_engine_has_no_room_for_is_refused_with_counts(
        self, looked_at: Version, alice: Member, api_for: ApiFor
    ) -> None:
        problem = self.post(api_for(alice), looked_at, params={"width": 64})
        assert problem["code"] == "too_large"
        assert (
            "bytes for its weights and the engine of ULX3S (Lattice ECP5 12F) has 32,768" in problem["detail"]
        )
        assert "It would fit with width" in problem["detail"]

    @pytest.mark.usefixtures("tools")
    def test_it_is_made_to_fit_when_asked(self, looked_at: Version, alice: Member, api_for: ApiFor) -> None:
        job = self.post(api_for(alice), looked_at, params={"width": 64}, fit=True, **HERE)
        [told] = job["fit"]["targets"]
        assert job["params"]["width"] == job["fit"]["chosen"]["width"] < 64
        assert told["model_bytes"] <= told["flash_bytes"] == 32_768
        assert told["ram_bytes"] <= told["ram_free_bytes"] == 16_384
        assert 0 < told["latency_ms"] < 10
        assert Job.objects.get().accelerator == "fpga"

    def test_the_form_offers_the_tools_where_there_are_some(
        self, looked_at: Version, tools: Accelerator, alice: Member, client_for: Callable[..., Client]
    ) -> None:
        at = f"/jobs/new?dataset={looked_at.dataset_id}&recipe=image-classifier"
        for there in (True, False):
            tools.enabled = there
            tools.save()
            page = client_for(alice).get(at).content.decode()
            assert ('<option value="fpga">' in page) == there
            box = page.partition(f'value="{ULX3S}"')[2].partition(">")[0]
            assert ("disabled" in box) == (not there)


@pytest.mark.usefixtures("board", "tools")
def test_a_replay_keeps_the_places_apart() -> None:
    pools = history.machine()
    assert sorted(pool.kind for pool in pools) == ["cpu", "fpga", "fpga:ulx3s-12f"]
    held = {
        asked: [pool.kind for pool in pools if replayed._holds(pool, _asks(asked))]
        for asked in ("any", "fpga", "fpga:ulx3s-12f")
    }
    assert held == {"any": ["cpu"], "fpga": ["fpga"], "fpga:ulx3s-12f": ["fpga:ulx3s-12f"]}


def _asks(kind: str) -> replayed.Past:
    return replayed.Past(id="a", member="m", submitted_s=0.0, kind=kind, gang=1, memory_bytes=0, work=1.0)
