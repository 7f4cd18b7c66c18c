"""One worker for a node: a copied home or machine has the same key, and is turned away while the other lives."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.nodes import services
from hardware.nodes.models import Node, NodeState
from portal.kit import identity
from portal.kit.errors import UserError
from tests.nodes.conftest import CPU, ELSEWHERE, GPU, long_gone, registered

pytestmark = pytest.mark.django_db


def test_a_copy_is_refused_in_words_and_changes_nothing() -> None:
    registered(CPU, worker=ELSEWHERE)
    with pytest.raises(UserError, match=r"mill-1.*secrets/node-key.*GRISTMILL_NODE") as refused:
        registered(CPU, GPU, worker=identity.me())
    assert (refused.value.code, refused.value.status) == ("node_name_in_use", 409)
    node = Node.objects.get()
    assert (node.worker, node.accelerators.count()) == (ELSEWHERE, 1)


def test_another_key_is_told_so_and_not_of_the_worker() -> None:
    registered(CPU, worker=ELSEWHERE)
    with pytest.raises(UserError) as refused:
        registered(CPU, key="k2", worker=identity.me())
    assert refused.value.code == "node_name_taken"


def test_who_was_killed_here_is_followed_at_once() -> None:
    registered(CPU, worker=long_gone())
    assert registered(CPU, worker=identity.me()).worker == identity.me()


def test_who_held_this_homes_lock_is_followed_at_once() -> None:
    registered(CPU, worker=ELSEWHERE)
    assert registered(CPU, worker=identity.me(), after=ELSEWHERE).worker == identity.me()


def test_who_left_is_followed_at_once() -> None:
    node = registered(CPU, worker=ELSEWHERE)
    services.leave(node, worker=identity.me())  # not its to say
    assert Node.objects.get().state == NodeState.ACTIVE
    services.leave(node, worker=ELSEWHERE)
    assert Node.objects.get().state == NodeState.OFFLINE
    assert registered(CPU, worker=identity.me()).state == NodeState.ACTIVE


def test_of_whom_nobody_knows_is_followed_once_it_is_silent() -> None:
    registered(CPU, worker=ELSEWHERE)
    Node.objects.update(last_seen_at=timezone.now() - services.HELD_FOR + timedelta(seconds=2))
    with pytest.raises(UserError):
        registered(CPU, worker=identity.me())
    Node.objects.update(last_seen_at=timezone.now() - services.HELD_FOR - timedelta(seconds=1))
    assert registered(CPU, worker=identity.me()).worker == identity.me()


def test_a_worker_that_wakes_up_displaced_speaks_for_the_node_no_more() -> None:
    node = registered(CPU, worker=ELSEWHERE)
    services.heartbeat(node, {"warm": 1.0}, worker=ELSEWHERE)
    Node.objects.update(worker=identity.me())
    with pytest.raises(UserError) as refused:
        services.heartbeat(node, {"warm": 0.5}, trouble="Its disk is full.", worker=ELSEWHERE)
    assert refused.value.code == "node_name_in_use"
    assert Node.objects.values_list("load", "trouble", "worker").get() == ({"warm": 1.0}, "", identity.me())


def test_a_node_that_was_deleted_is_told_of_first() -> None:
    node = registered(CPU, worker=ELSEWHERE)
    Node.objects.all().delete()
    with pytest.raises(Node.DoesNotExist):
        services.heartbeat(node, {}, worker=ELSEWHERE)
