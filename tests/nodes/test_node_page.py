"""The page of a node: what it is, what its accelerators cost, who gave it."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from hardware.nodes import queries, services
from hardware.nodes.models import Node
from portal.members.models import AuditEntry, Member

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]
PROBE = {
    "cpu": {"model": "<i>Ryzen</i>", "architecture": "x86_64", "cores": 8.0, "features": ["avx2", "fma"]},
    "memory_bytes": 32_000_000_000,
    "disk": {"total_bytes": 1_000_000_000_000, "free_bytes": 1},
    "toolchains": {"yosys": "0.38", "verilator": "5.020"},
    "driver": "580.65.06",
    "trouble": ["A TPU v4 is at 0000:00:04.0."],
    "accelerators": [
        {
            "kind": "gpu",
            "index": 0,
            "model": "RTX 3060",
            "memory_bytes": 12_000_000_000,
            "details": {"pci_bus": "<u>01:00</u>", "power_limit_w": "170", "unheard": "of"},
        }
    ],
}


@pytest.fixture
def node() -> Node:
    return services.register(name="mill-1", key="k", probe=PROBE, sandbox={"enforced": ["No network."]})


def test_members_see_what_it_is(node: Node, alice: Member, cora: Member, client_for: Browser) -> None:
    services.set_donor(node, alice, cora)
    services.name_node(node, "The attic", cora)
    page = client_for(alice).get(f"/machine/nodes/{node.pk}").content.decode()
    for fact in ("&lt;i&gt;Ryzen&lt;/i&gt;", "<dd>8</dd>", "avx2, fma", "32.0 GB", "1.0 TB", "yosys 0.38", "580.65.06",
                 "RTX 3060", "12.0 GB", "PCI &lt;u&gt;01:00&lt;/u&gt; · watts at most 170",
                 "No network.", "The attic", "mill-1", "alice"):  # fmt: skip
        assert fact in page, fact
    assert "0000:00:04.0" not in page
    assert "/admin/" not in page


def test_whatever_a_probe_tells_of_an_accelerator_has_its_words(alice: Member, client_for: Browser) -> None:
    """Whichever of the details are told: a node with the tools for FPGAs has others than one with GPUs."""
    told = {name: f"value-of-{name}" for name in queries.DETAILS}
    accelerator = {"kind": "fpga", "index": 1, "model": "ULX3S 85F", "memory_bytes": 0, "details": told}
    node = services.register(
        name="mill-2", key="k", probe={**PROBE, "accelerators": [accelerator]}, sandbox={}
    )
    page = client_for(alice).get(f"/machine/nodes/{node.pk}").content.decode()
    for name in queries.DETAILS:
        assert f"value-of-{name}" in page


def test_stewards_see_what_could_not_be_asked_and_where_to_change_it(
    node: Node, cora: Member, client_for: Browser
) -> None:
    page = client_for(cora).get(f"/machine/nodes/{node.pk}").content.decode()
    assert "0000:00:04.0" in page
    assert f"/admin/nodes/node/{node.pk}/change/" in page


def test_the_machines_page_leads_there(node: Node, alice: Member, client_for: Browser) -> None:
    assert f'href="/machine/nodes/{node.pk}"' in client_for(alice).get("/machine").content.decode()


def test_a_node_that_said_nothing_has_a_page_too(alice: Member, client_for: Browser) -> None:
    node = Node.objects.create(name="bare")
    assert client_for(alice).get(f"/machine/nodes/{node.pk}").status_code == 200


def test_no_such_node(alice: Member, client_for: Browser) -> None:
    assert client_for(alice).get("/machine/nodes/nope").status_code == 404


def test_a_steward_takes_it_out_of_service_and_back(node: Node, cora: Member, client_for: Browser) -> None:
    browser, place = client_for(cora), f"/machine/nodes/{node.pk}"
    for state, offered in (
        ("draining", {"active", "maintenance"}),
        ("maintenance", {"active", "draining"}),
        ("active", {"draining", "maintenance"}),
    ):
        page = browser.post(f"{place}/state", {"state": state}, follow=True).content.decode()
        assert set(re.findall(r'name="state" value="(\w+)"', page)) == offered
        node.refresh_from_db()
        assert node.state == state
    assert "Set it to active, draining or maintenance" in (
        browser.post(f"{place}/state", {"state": "offline"}, follow=True).content.decode()
    )
    noted = AuditEntry.objects.filter(action="node.state", actor=cora).order_by("id")
    assert [entry.detail["new"] for entry in noted] == ["draining", "maintenance", "active"]


def test_a_steward_plans_maintenance_and_drops_it(node: Node, cora: Member, client_for: Browser) -> None:
    browser, place = client_for(cora), f"/machine/nodes/{node.pk}"
    typed = {
        "starts_at": "2100-01-01T10:00", "ends_at": "2100-01-01T09:00", "drain_before_min": "5",
        "reason": "new disks",
    }  # fmt: skip
    wrong = browser.post(f"{place}/windows", typed)
    assert wrong.status_code == 400
    assert "It has to end after it starts." in wrong.content.decode()
    page = browser.post(f"{place}/windows", typed | {"ends_at": "2100-01-01T12:30"}, follow=True)
    window = node.windows.get()
    assert (window.starts_at.isoformat(), window.drain_before_min) == ("2100-01-01T10:00:00+00:00", 5)
    assert f"{place}/windows/{window.pk}/cancel" in page.content.decode()
    browser.post(f"{place}/windows/{window.pk}/cancel")
    assert not node.windows.exists()
    noted = AuditEntry.objects.filter(action__startswith="maintenance.", actor=cora).order_by("id")
    assert [entry.action for entry in noted] == ["maintenance.planned", "maintenance.cancelled"]


def test_members_find_no_such_buttons(node: Node, alice: Member, client_for: Browser) -> None:
    page = client_for(alice).get(f"/machine/nodes/{node.pk}").content.decode()
    assert f"/machine/nodes/{node.pk}/" not in page
    assert "Drain" not in page
