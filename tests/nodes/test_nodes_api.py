"""`GET /nodes` and `PATCH /nodes/{id}`."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from hardware.nodes import services
from hardware.nodes.models import Node
from portal.members.models import Member

pytestmark = pytest.mark.django_db
Api = Callable[[Member], APIClient]
PROBE = {
    "cpu": {"model": "Ryzen", "architecture": "x86_64", "cores": 8.0, "features": ["avx2", "fma"]},
    "memory_bytes": 1024,
    "disk": {"total_bytes": 4096, "free_bytes": 1},
    "toolchains": {"yosys": "0.38"},
    "driver": "580.65.06",
    "trouble": ["A TPU v4 can't be opened."],
    "accelerators": [
        {"kind": "cpu", "index": 0, "model": "Ryzen", "memory_bytes": 1024},
        {
            "kind": "gpu",
            "index": 0,
            "model": "<b>GPU</b>",
            "memory_bytes": 2048,
            "uuid": "GPU-1f",
            "details": {"compute_capability": "8.6", "serial": "0042"},
        },
    ],
}
SANDBOX = {"available": True, "enforced": ["Jobs have no network."], "missing": ["Memory is not limited."]}


@pytest.fixture
def node() -> Node:
    return services.register(name="mill-1", key="k", probe=PROBE, sandbox=SANDBOX)


def test_members_get_a_bare_array_with_accelerators(node: Node, alice: Member, api_for: Api) -> None:
    rows = api_for(alice).get("/api/v1/nodes").json()
    assert [(row["id"], row["name"], row["state"]) for row in rows] == [(node.pk, "mill-1", "active")]
    cpu, gpu = rows[0]["accelerators"]
    assert {"id", "kind", "model", "memory_bytes", "relative_speed", "enabled"} <= cpu.keys()
    assert (gpu["kind"], gpu["model"], gpu["memory_bytes"]) == ("gpu", "<b>GPU</b>", 2048)


def test_the_key_and_the_probe_stay_inside(node: Node, alice: Member, api_for: Api) -> None:
    text = api_for(alice).get("/api/v1/nodes").content.decode()
    assert node.key_sha256 not in text
    for inside in ("probe", "GPU-1f", "0042", "can't be opened"):
        assert inside not in text


def test_what_the_node_found_is_told(node: Node, alice: Member, api_for: Api) -> None:
    row = api_for(alice).get(f"/api/v1/nodes/{node.pk}").json()
    assert row["facts"] == {
        "cpu": PROBE["cpu"],
        "memory_bytes": 1024,
        "disk_bytes": 4096,
        "driver": "580.65.06",
        "toolchains": {"yosys": "0.38"},
    }
    assert [each["details"] for each in row["accelerators"]] == [{}, {"compute_capability": "8.6"}]


def test_a_node_that_said_nothing_has_facts_too(alice: Member, api_for: Api) -> None:
    Node.objects.create(name="bare")
    facts = api_for(alice).get("/api/v1/nodes").json()[0]["facts"]
    assert facts["cpu"] == {"model": "", "architecture": "", "cores": 0.0, "features": []}
    assert (facts["memory_bytes"], facts["disk_bytes"], facts["toolchains"]) == (0, 0, {})


def test_only_stewards_are_told_what_is_off(node: Node, alice: Member, cora: Member, api_for: Api) -> None:
    assert "missing" not in api_for(alice).get("/api/v1/nodes").json()[0]["sandbox"]
    assert api_for(cora).get("/api/v1/nodes").json()[0]["sandbox"]["missing"] == ["Memory is not limited."]


def test_without_credentials_401(node: Node, client: Client) -> None:
    assert client.get("/api/v1/nodes").status_code == 401
    assert client.patch(f"/api/v1/nodes/{node.pk}", {}, "application/json").status_code == 401


def test_a_steward_drains_a_node(node: Node, cora: Member, api_for: Api) -> None:
    answer = api_for(cora).patch(f"/api/v1/nodes/{node.pk}", {"state": "draining"})
    assert (answer.status_code, answer.json()["state"]) == (200, "draining")


def test_a_steward_corrects_an_accelerator(node: Node, cora: Member, api_for: Api) -> None:
    gpu = node.accelerators.get(kind="gpu")
    body = {"accelerators": [{"id": gpu.pk, "relative_speed": 25.5, "enabled": False}]}
    answer = api_for(cora).patch(f"/api/v1/nodes/{node.pk}", body)
    shown = {row["id"]: row for row in answer.json()["accelerators"]}[gpu.pk]
    assert (shown["relative_speed"], shown["enabled"]) == (25.5, False)


def test_a_row_may_be_sent_back_whole(node: Node, cora: Member, api_for: Api) -> None:
    client = api_for(cora)
    row = client.get(f"/api/v1/nodes/{node.pk}").json() | {"state": "maintenance"}
    answer = client.patch(f"/api/v1/nodes/{node.pk}", row)
    assert (answer.status_code, answer.json()["state"]) == (200, "maintenance")


def test_members_may_not(node: Node, alice: Member, api_for: Api) -> None:
    answer = api_for(alice).patch(f"/api/v1/nodes/{node.pk}", {"state": "draining"})
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    node.refresh_from_db()
    assert node.state == "active"


@pytest.mark.parametrize(
    "body",
    [
        {"state": "asleep"},
        {"state": "offline"},
        {"accelerators": [{"id": "nobody", "enabled": False}]},
        {"accelerators": [{"relative_speed": 2}]},
        {"accelerators": 5},
    ],
)
def test_nonsense_is_a_problem_and_changes_nothing(
    body: dict[str, Any], node: Node, cora: Member, api_for: Api
) -> None:
    answer = api_for(cora).patch(f"/api/v1/nodes/{node.pk}", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"]


def test_a_half_wrong_request_is_wholly_undone(node: Node, cora: Member, api_for: Api) -> None:
    body = {"state": "draining", "accelerators": [{"id": "nobody", "enabled": False}]}
    assert api_for(cora).patch(f"/api/v1/nodes/{node.pk}", body).status_code == 400
    node.refresh_from_db()
    assert node.state == "active"


def test_an_unknown_node_is_404_for_stewards(cora: Member, api_for: Api) -> None:
    assert api_for(cora).patch("/api/v1/nodes/nope", {"state": "active"}).status_code == 404


def test_the_list_takes_the_same_number_of_queries_however_many(
    node: Node, alice: Member, api_for: Api
) -> None:
    client = api_for(alice)
    client.get("/api/v1/nodes")
    with CaptureQueriesContext(connection) as one:
        client.get("/api/v1/nodes")
    for number in range(5):
        services.register(name=f"node-{number}", key="k", probe=PROBE, sandbox={})
    with CaptureQueriesContext(connection) as six:
        assert len(client.get("/api/v1/nodes", headers={"accept": "text/html"}).json()) == 6
    assert len(six) == len(one)
