"""What the machine's page says of a node: its load, what jobs are held to, and to stewards what is off."""

from collections.abc import Callable

import pytest
from django.test import Client

from hardware.nodes import services
from hardware.nodes.models import Node
from portal.members.models import Member

pytestmark = pytest.mark.django_db
Browser = Callable[[Member], Client]


@pytest.fixture
def node() -> Node:
    sandbox = {
        "available": True,
        "enforced": ["Jobs have no network."],
        "missing": ["<b>No limit</b> on memory."],
    }
    probe = {"accelerators": [{"kind": "cpu", "index": 0, "model": "<i>Ryzen</i>", "memory_bytes": 1024}]}
    node = services.register(name="mill-1", key="k", probe=probe, sandbox=sandbox)
    services.heartbeat(node, {"cpu_percent": 37.5, "memory_percent": 20.0, "disk_free_bytes": 5_000_000_000})
    return node


def test_members_see_load_and_what_is_enforced(node: Node, alice: Member, client_for: Browser) -> None:
    page = client_for(alice).get("/machine").content.decode()
    assert "mill-1" in page
    assert "38 %" in page or "37 %" in page
    assert "5.0 GB" in page
    assert "Jobs have no network." in page
    assert "on memory." not in page
    assert "<i>Ryzen" not in page


def test_stewards_see_what_is_off(node: Node, cora: Member, client_for: Browser) -> None:
    page = client_for(cora).get("/machine").content.decode()
    assert "&lt;b&gt;No limit&lt;/b&gt; on memory." in page


def test_strangers_sign_in_first(client: Client, db: None) -> None:
    assert client.get("/machine").status_code == 302
