"""The home page and the machine's page, as each of the cast sees them."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hardware.nodes.models import Accelerator, Node, NodeState
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import Status
from portal.core import storage
from portal.members.models import Member


def dataset_of(member: Member, name: str, state: str = VersionState.READY) -> Dataset:
    dataset = Dataset.objects.create(owner=member, name=name, task="image-classification")
    upload = storage.put_bytes(name.encode())
    for number in (1, 2):
        Version.objects.create(
            dataset=dataset,
            number=number,
            state=state,
            filename="x.zip",
            upload=upload,
            report={"samples": 10 * number},
        )
    return dataset


@pytest.fixture
def node(db: None) -> Node:
    node = Node.objects.create(name="mill-1", key_sha256="0" * 64, last_seen_at=timezone.now())
    for index in range(2):
        Accelerator.objects.create(node=node, kind="cpu", index=index, memory_bytes=8 * 1024**3)
    return node


def running_job(member: Member, node: Node, name: str) -> Job:
    job = Job.objects.create(owner=member, kind="train", name=name, status=Status.RUNNING)
    attempt = Attempt.objects.create(
        job=job, number=1, node=node, node_name=node.name, accelerator_kind="cpu"
    )
    attempt.accelerators.add(node.accelerators.get(index=0))
    return job


def test_a_visitor_is_welcomed(client: Client, db: None) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "/account/login/" in page
    assert "/account/signup/" in page


def test_home_gathers_what_is_mine(
    client_for: Callable[..., Client], alice: Member, bob: Member, node: Node
) -> None:
    dataset_of(alice, "<i>beans</i>")
    dataset_of(bob, "bob's secret")
    running_job(bob, node, "bob's job")
    Job.objects.create(owner=alice, kind="train", name="<script>alert(1)</script>")
    answer = client_for(alice).get("/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "&lt;i&gt;beans" in page
    assert "<script>alert" not in page
    assert "bob" not in page
    assert [dataset.latest.number for dataset in answer.context["datasets"]] == [2]
    assert answer.context["first_steps"] == {"uploaded": True, "trained": False, "taken_home": False}
    load = answer.context["load"]
    assert (load["running"], load["queued"]) == (1, 1)
    assert [slot["state"] for slot in load["accelerators"]] == ["busy", "idle"]


def test_the_first_step_is_done_when_data_is_ready(client_for: Callable[..., Client], alice: Member) -> None:
    dataset_of(alice, "beans", VersionState.REJECTED)
    assert client_for(alice).get("/").context["first_steps"]["uploaded"] is False


def test_deleted_datasets_are_gone_from_home(client_for: Callable[..., Client], alice: Member) -> None:
    dataset = dataset_of(alice, "beans")
    Dataset.objects.filter(pk=dataset.pk).update(deleted_at=timezone.now())
    assert client_for(alice).get("/").context["datasets"] == []


def test_others_jobs_have_no_name_on_the_machines_page(
    client_for: Callable[..., Client], alice: Member, bob: Member, cora: Member, node: Node
) -> None:
    running_job(bob, node, "bob's secret project")
    seen = {
        member: "secret project" in client_for(member).get("/machine").content.decode()
        for member in (alice, bob, cora)
    }
    assert seen == {alice: False, bob: True, cora: True}


def test_a_node_that_takes_no_work_is_off(
    client_for: Callable[..., Client], alice: Member, node: Node
) -> None:
    Node.objects.update(state=NodeState.MAINTENANCE)
    slots = client_for(alice).get("/machine").context["load"]["accelerators"]
    assert {slot["state"] for slot in slots} == {"off"}


def test_the_machine_is_for_members(client: Client, db: None) -> None:
    assert client.get("/machine").status_code == 302


def test_home_costs_the_same_with_much_to_show(
    client_for: Callable[..., Client],
    alice: Member,
    node: Node,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(8):
        dataset_of(alice, f"set {number}")
        Job.objects.create(owner=alice, kind="train", name=f"job {number}")
        other = Node.objects.create(name=f"node {number}", key_sha256="1" * 64)
        Accelerator.objects.create(node=other, kind="gpu")
    client = client_for(alice)
    cache.clear()
    with django_assert_max_num_queries(20):
        client.get("/")
    with django_assert_max_num_queries(19):
        client.get("/machine")
