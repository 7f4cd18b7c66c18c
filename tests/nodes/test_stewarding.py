"""What stewards say of nodes and their accelerators: named, priced, shared, added, removed; all of it in the audit
log.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from hardware.nodes import services
from hardware.nodes.models import Accelerator, AcceleratorKind, Node, SpeedFrom
from hardware.nodes.probe.sampling import Reading
from hardware.nodes.services import Correction
from portal.kit.errors import UserError
from portal.ledger.models import Donation
from portal.members.models import AuditEntry, Member
from tests.members.filled import filled
from tests.nodes.conftest import CPU, GIB, GPU, registered

pytestmark = pytest.mark.django_db
Api = Callable[[Member], APIClient]
Browser = Callable[[Member], Client]
BOARD = {"kind": "fpga", "index": 1, "model": "ULX3S 85F", "memory_bytes": 0}
TPU = {"kind": "tpu", "index": 0, "model": "TPU v4", "memory_bytes": 32 * GIB}


def row(kind: str) -> Accelerator:
    return Accelerator.objects.get(kind=kind)


def said() -> list[tuple[str, str, dict[str, Any]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "subject", "detail"))


def test_a_new_accelerator_gets_the_terms_of_its_kind() -> None:
    registered(CPU, GPU, TPU, BOARD)
    terms = Accelerator.objects.order_by("kind").values_list("kind", "price", "sharing", "relative_speed")
    assert list(terms) == [("cpu", 1, 1, 1), ("fpga", 1, 1, 1), ("gpu", 10, 4, 10), ("tpu", 20, 1, 20)]


def test_a_restart_leaves_a_stewards_terms_alone(mill: Node, cora: Member) -> None:
    terms = {"label": "Big Bertha", "price": 0.0, "sharing": 2, "relative_speed": 33.0, "enabled": False}
    services.correct(row("gpu"), Correction(**terms), cora)
    registered(CPU, GPU | {"model": "RTX 3060 Ti"})
    gpu = row("gpu")
    assert {name: getattr(gpu, name) for name in terms} == terms
    assert (gpu.model, gpu.title, row("cpu").title) == ("RTX 3060 Ti", "Big Bertha", "CPU 0")


def test_only_what_changes_is_noted(mill: Node, cora: Member) -> None:
    services.correct(row("gpu"), Correction(price=10.0, sharing=4, enabled=True), cora)
    assert said() == []
    services.correct(row("gpu"), Correction(price=12.0, sharing=4), cora)
    assert said() == [("accelerator.correct", "mill-1 gpu0", {"price": 12.0})]


def test_what_a_steward_knows_better_stays_over_restarts(mill: Node, cora: Member) -> None:
    services.correct(row("gpu"), Correction(model="RTX 3060 (12 GB)", memory_bytes=11 * GIB), cora)
    registered(CPU, GPU | {"model": "GPU-0", "memory_bytes": 0})
    gpu = row("gpu")
    assert (gpu.model, gpu.memory_bytes) == ("RTX 3060 (12 GB)", 11 * GIB)
    assert gpu.corrected == ["memory_bytes", "model"]
    assert said() == [
        ("accelerator.correct", "mill-1 gpu0", {"model": "RTX 3060 (12 GB)", "memory_bytes": 11 * GIB})
    ]
    assert row("cpu").corrected == []


def test_what_is_set_to_what_the_node_finds_follows_the_node_again(mill: Node, cora: Member) -> None:
    services.correct(row("gpu"), Correction(model="Bertha", memory_bytes=11 * GIB), cora)
    services.correct(row("gpu"), Correction(memory_bytes=12 * GIB, price=3.0), cora)
    assert row("gpu").corrected == ["model"]
    registered(CPU, GPU | {"memory_bytes": 24 * GIB})
    assert (row("gpu").model, row("gpu").memory_bytes) == ("Bertha", 24 * GIB)


def test_a_label_and_a_donor_are_given_and_taken(mill: Node, alice: Member, cora: Member) -> None:
    services.name_node(mill, "The attic", cora)
    services.set_donor(mill, alice, cora)
    services.set_donor(mill, alice, cora)
    services.set_donor(mill, None, cora)
    assert registered(CPU, GPU).title == "The attic"
    assert said() == [
        ("node.label", "mill-1", {"old": "", "new": "The attic"}),
        ("node.donor", "mill-1", {"old": None, "new": "alice"}),
        ("node.donor", "mill-1", {"old": "alice", "new": None}),
    ]


def test_a_donor_who_leaves_leaves_the_node(mill: Node, alice: Member, cora: Member) -> None:
    services.set_donor(mill, alice, cora)
    alice.delete()
    mill.refresh_from_db()
    assert mill.donor is None


def test_a_node_that_is_gone_is_forgotten_and_what_it_gave_is_kept(
    mill: Node, alice: Member, cora: Member, client_for: Browser
) -> None:
    services.set_donor(mill, alice, cora)
    services.heartbeat(mill, {}, readings=[Reading("cpu", 0)])
    with pytest.raises(UserError) as refused:
        services.forget_node(mill, cora)
    assert refused.value.code == "takes_work"
    Node.objects.update(state="offline")
    page = reverse("admin:nodes_node_delete", args=[mill.pk])
    assert client_for(cora).post(page, {"post": "yes"}).status_code == 302
    assert not Node.objects.exists()
    assert said()[-1] == ("node.deleted", "mill-1", {"label": "", "state": "offline", "donor": "alice"})
    assert Donation.objects.get(member=alice).node_seconds > 0


class TestByHand:
    def add(self, node: Node, actor: Member, **more: Any) -> Accelerator:
        return services.add(
            node, **({"kind": AcceleratorKind.FPGA, "model": "Icepi", "memory_bytes": 0} | more), actor=actor
        )

    def test_what_is_added_outlasts_restarts(self, mill: Node, cora: Member) -> None:
        added = self.add(mill, cora)
        registered(CPU, GPU)
        added.refresh_from_db()
        assert (added.enabled, added.by_hand, added.missing_since, added.price) == (True, True, None, 1.0)
        assert said()[0][:2] == ("accelerator.add", "mill-1 fpga1")

    def test_the_next_number_is_its_own_unless_one_is_given(self, mill: Node, cora: Member) -> None:
        assert [
            self.add(mill, cora).index,
            self.add(mill, cora, index=7).index,
            self.add(mill, cora).index,
        ] == [1, 7, 8]
        with pytest.raises(UserError, match="number 7") as refused:
            self.add(mill, cora, index=7)
        assert refused.value.code == "already_there"

    def test_once_the_node_finds_it_it_comes_and_goes_like_others(self, mill: Node, cora: Member) -> None:
        self.add(mill, cora)
        registered(CPU, GPU, BOARD)
        assert (row("fpga").by_hand, row("fpga").model) == (False, "ULX3S 85F")
        registered(CPU, GPU)
        assert not row("fpga").enabled

    def test_it_is_removed_when_it_is_off(self, mill: Node, cora: Member) -> None:
        added = self.add(mill, cora)
        with pytest.raises(UserError, match="Disable it first"):
            services.remove(added, cora)
        services.correct(added, Correction(enabled=False), cora)
        services.remove(added, cora)
        assert not Accelerator.objects.filter(kind="fpga").exists()
        assert said()[-1] == ("accelerator.remove", "mill-1 fpga1", {"model": "Icepi"})

    @pytest.mark.usefixtures("mill")
    def test_what_the_node_finds_is_not_removed_and_what_is_gone_is(self, cora: Member) -> None:
        services.correct(row("gpu"), Correction(enabled=False), cora)
        with pytest.raises(UserError, match="whenever it starts"):
            services.remove(row("gpu"), cora)
        services.correct(row("gpu"), Correction(enabled=True), cora)
        registered(CPU)
        services.remove(row("gpu"), cora)
        assert list(Accelerator.objects.values_list("kind", flat=True)) == ["cpu"]


def learnt(speed: float) -> None:
    Accelerator.objects.filter(kind="gpu").update(relative_speed=speed, speed_from=SpeedFrom.JOBS)


class TestApi:
    def test_a_steward_sets_everything_at_once(
        self, mill: Node, alice: Member, cora: Member, api_for: Api
    ) -> None:
        gpu = {"id": row("gpu").pk, "label": "Bertha", "price": 2.5, "sharing": 8, "relative_speed": 4.0}
        gpu |= {"model": "Tesla T4", "memory_bytes": 15 * GIB}
        body = {"label": "Attic", "donor": "alice", "accelerators": [gpu]}
        shown = api_for(cora).patch(f"/api/v1/nodes/{mill.pk}", body).json()
        assert (shown["name"], shown["label"], shown["donor"]) == ("mill-1", "Attic", "alice")
        assert gpu.items() <= next(one for one in shown["accelerators"] if one["kind"] == "gpu").items()
        assert api_for(alice).get("/api/v1/nodes").json()[0]["label"] == "Attic"

    def test_a_row_sent_back_whole_changes_nothing(self, mill: Node, cora: Member, api_for: Api) -> None:
        client = api_for(cora)
        before = client.get(f"/api/v1/nodes/{mill.pk}").json()
        assert client.patch(f"/api/v1/nodes/{mill.pk}", before).json() == before
        assert said() == []

    def test_a_learnt_speed_that_is_sent_back_is_not_a_stewards(
        self, mill: Node, cora: Member, api_for: Api
    ) -> None:
        client, path = api_for(cora), f"/api/v1/nodes/{mill.pk}"
        learnt(2.5)
        read = client.get(path).json()
        learnt(3.5)
        read["accelerators"][1]["label"] = "Bertha"
        assert client.patch(path, read).status_code == 200
        gpu = row("gpu")
        assert (gpu.label, gpu.relative_speed, gpu.speed_from) == ("Bertha", 3.5, SpeedFrom.JOBS)
        said_of = {"id": gpu.pk, "relative_speed": 4.0}
        assert client.patch(path, {"accelerators": [said_of]}).status_code == 200
        assert (row("gpu").relative_speed, row("gpu").speed_from) == (4.0, SpeedFrom.STEWARD)
        assert client.patch(
            path, {"accelerators": [said_of | {"speed_from": "steward", "relative_speed": 5}]}
        )
        assert row("gpu").relative_speed == 5.0

    @pytest.mark.parametrize(
        "terms",
        [{"price": -1}, {"price": "nan"}, {"sharing": 0}, {"relative_speed": 0}, {"label": "x" * 81},
         {"memory_bytes": -1}, {"memory_bytes": "lots"}, {"model": "x" * 121}],
    )  # fmt: skip
    def test_terms_that_make_no_sense(
        self, terms: dict[str, Any], mill: Node, cora: Member, api_for: Api
    ) -> None:
        body = {"accelerators": [{"id": row("gpu").pk} | terms]}
        assert api_for(cora).patch(f"/api/v1/nodes/{mill.pk}", body).status_code == 400
        assert (row("gpu").price, row("gpu").sharing, row("gpu").label) == (10, 4, "")
        assert (row("gpu").model, row("gpu").memory_bytes) == ("RTX 3060", 12 * GIB)

    def test_a_donor_nobody_knows(self, mill: Node, cora: Member, api_for: Api) -> None:
        answer = api_for(cora).patch(f"/api/v1/nodes/{mill.pk}", {"donor": "nobody"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "donor")

    def test_adding_and_removing(self, mill: Node, alice: Member, cora: Member, api_for: Api) -> None:
        path, body = f"/api/v1/nodes/{mill.pk}/accelerators", {"kind": "fpga", "model": "Icepi"}
        assert api_for(alice).post(path, body).status_code == 403
        answer = api_for(cora).post(path, body)
        assert (answer.status_code, answer.json()["by_hand"], answer.json()["index"]) == (201, True, 1)
        one = f"{path}/{answer.json()['id']}"
        assert api_for(cora).delete(one).json()["code"] == "takes_work"
        assert api_for(alice).delete(one).status_code == 403
        Accelerator.objects.filter(kind="fpga").update(enabled=False)
        assert api_for(cora).delete(one).status_code == 204
        assert api_for(cora).delete(one).status_code == 404


def test_the_admins_page_goes_through_the_services(
    mill: Node, alice: Member, cora: Member, client_for: Browser
) -> None:
    page = reverse("admin:nodes_node_change", args=[mill.pk])
    rows = list(mill.accelerators.order_by("node", "kind", "index"))
    form: dict[str, Any] = {"label": "Attic", "donor": alice.pk}
    form |= {"accelerators-TOTAL_FORMS": 3, "accelerators-INITIAL_FORMS": 2}
    terms = {
        "node": mill.pk,
        "label": "",
        "relative_speed": 1,
        "price": 3,
        "sharing": 2,
        "kind": "tpu",
        "model": "Icepi",
        "memory_bytes": GIB,
    }
    new = {"id": "", "kind": "fpga", "index": 0, "enabled": "on"}
    for number, each in enumerate([{"id": row.pk} for row in rows] + [new]):
        form |= {f"accelerators-{number}-{name}": value for name, value in (terms | each).items()}
    answer = client_for(cora).post(page, form)
    assert answer.status_code == 302, answer.context["errors"]
    mill.refresh_from_db()
    assert (mill.label, mill.donor) == ("Attic", alice)
    shown = ("kind", "price", "enabled", "by_hand", "model", "memory_bytes")
    assert list(mill.accelerators.order_by("kind").values_list(*shown)) == [
        ("cpu", 3, False, False, "Icepi", GIB),  # which it is can't be changed
        ("fpga", 3, True, True, "Icepi", GIB),
        ("gpu", 3, False, False, "Icepi", GIB),
    ]
    assert row("cpu").corrected == ["memory_bytes", "model"]
    actions = [action for action, _subject, _detail in said()]
    assert sorted(actions) == ["accelerator.add", *["accelerator.correct"] * 3, "node.donor", "node.label"]


def test_a_stale_page_undoes_nothing(mill: Node, cora: Member, client_for: Browser) -> None:
    client, page = client_for(cora), reverse("admin:nodes_node_change", args=[mill.pk])
    learnt(2.5)
    stale = filled(client.get(page).content.decode())
    services.name_node(mill, "Attic", cora)
    services.correct(row("gpu"), Correction(price=12.0), cora)
    learnt(3.5)
    of_gpu = next(
        name.removesuffix("-id")
        for name, value in stale.items()
        if name.endswith("-id") and value == row("gpu").pk
    )
    assert client.post(page, stale | {f"{of_gpu}-label": "Bertha"}).status_code == 302
    mill.refresh_from_db()
    gpu = row("gpu")
    assert (mill.label, gpu.label, gpu.price, gpu.enabled) == ("Attic", "Bertha", 12.0, True)
    assert (gpu.relative_speed, gpu.speed_from) == (3.5, SpeedFrom.JOBS)
    told = client.post(page, stale | {f"{of_gpu}-price": "20"}, follow=True).content.decode()
    assert "Another steward has changed the row of mill-1 gpu0" in told
    assert row("gpu").price == 12.0
    fresh = filled(client.get(page).content.decode())
    assert client.post(page, fresh | {f"{of_gpu}-price": "20"}).status_code == 302
    assert row("gpu").price == 20.0
