"""A node comes, goes, and comes back; what a steward said of it stands."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from hardware.nodes import services
from hardware.nodes.models import Accelerator, Node, NodeState
from hardware.nodes.probe import machine
from portal.kit.errors import UserError
from portal.members.models import AuditEntry, Member

pytestmark = pytest.mark.django_db
GIB = 1024**3
CPU = {"kind": "cpu", "index": 0, "model": "Ryzen", "memory_bytes": 32 * GIB}
GPU = {"kind": "gpu", "index": 0, "model": "RTX 3060", "memory_bytes": 12 * GIB}


def register(*accelerators: dict[str, Any], key: str = "k1", name: str = "mill-1") -> Node:
    probe = {"accelerators": list(accelerators)}
    return services.register(name=name, key=key, probe=probe, sandbox={"available": True})


def row(kind: str) -> Accelerator:
    return Accelerator.objects.get(kind=kind)


def test_a_new_node_is_active_with_what_its_probe_found() -> None:
    node = register(CPU, GPU)
    assert node.state == NodeState.ACTIVE
    assert node.last_seen_at is not None
    rows = node.accelerators.values_list("kind", "model", "memory_bytes", "enabled")
    assert list(rows) == [("cpu", "Ryzen", 32 * GIB, True), ("gpu", "RTX 3060", 12 * GIB, True)]
    assert row("gpu").relative_speed > row("cpu").relative_speed


def test_there_is_always_a_cpu() -> None:
    register(GPU)
    assert row("cpu").enabled


def test_the_real_probe_of_this_machine_registers() -> None:
    node = services.register(name="here", key="k", probe=machine.probe(settings.HOME), sandbox={})
    cpu = node.accelerators.get(kind="cpu")
    assert cpu.memory_bytes > 0


def test_a_restart_is_welcome_and_keeps_a_stewards_corrections(cora: Member) -> None:
    register(CPU, GPU)
    services.correct(row("gpu"), services.Correction(relative_speed=33.0, enabled=False), cora)
    register(CPU, GPU | {"model": "RTX 3060 Ti"})
    gpu = row("gpu")
    assert (gpu.model, gpu.relative_speed, gpu.enabled) == ("RTX 3060 Ti", 33.0, False)
    assert Node.objects.count() == 1


def test_what_an_earlier_worker_said_of_its_engine_is_forgotten() -> None:
    node = register(CPU)
    services.heartbeat(node, {"warm": 1.0})
    services.register(name="mill-1", key="k1", probe={"accelerators": [CPU]}, sandbox={}, load={"warm": 0.0})
    assert Node.objects.get().load == {"warm": 0.0}


def test_an_impostor_of_the_name_is_refused_in_words() -> None:
    register(CPU)
    with pytest.raises(UserError, match=r"mill-1.*GRISTMILL_NODE") as refused:
        register(GPU, key="another")
    assert refused.value.code == "node_name_taken"
    assert not Accelerator.objects.filter(kind="gpu").exists()


def test_the_key_itself_is_not_kept_in_the_database() -> None:
    node = register(CPU, key="very-secret-key")
    assert "very-secret-key" not in str(Node.objects.filter(pk=node.pk).values())


def test_what_is_gone_is_disabled_and_back_when_it_is_back() -> None:
    register(CPU, GPU)
    register(CPU)
    assert (row("gpu").enabled, row("gpu").missing_since is None) == (False, False)
    register(CPU, GPU)
    assert (row("gpu").enabled, row("gpu").missing_since) == (True, None)


def test_what_a_steward_disabled_stays_so_after_it_was_gone(cora: Member) -> None:
    register(CPU, GPU)
    register(CPU)
    services.correct(row("gpu"), services.Correction(enabled=False), cora)
    register(CPU, GPU)
    assert not row("gpu").enabled


def test_what_is_not_there_cannot_be_enabled(cora: Member) -> None:
    register(CPU, GPU)
    register(CPU)
    with pytest.raises(UserError) as refused:
        services.correct(row("gpu"), services.Correction(enabled=True), cora)
    assert refused.value.code == "not_there"
    assert not row("gpu").enabled


def test_the_nodes_own_key_is_made_once_and_private() -> None:
    first = services.own_key()
    path = settings.HOME / "secrets" / "node-key"
    assert services.own_key() == first
    assert path.stat().st_mode & 0o777 == 0o600


class TestSilence:
    def test_twenty_seconds_without_a_beat_is_offline_and_a_beat_brings_it_back(self) -> None:
        node = register(CPU)
        now = timezone.now()
        assert services.mark_silent(now + timedelta(seconds=19)) == 0
        assert services.mark_silent(now + timedelta(seconds=21)) == 1
        node.refresh_from_db()
        assert node.state == NodeState.OFFLINE
        assert services.heartbeat(node, {"cpu_percent": 5.0}) == NodeState.ACTIVE
        node.refresh_from_db()
        assert node.load == {"cpu_percent": 5.0}
        assert services.mark_silent(timezone.now()) == 0

    def test_a_registration_brings_it_back_too(self) -> None:
        register(CPU)
        services.mark_silent(timezone.now() + timedelta(minutes=1))
        assert register(CPU).state == NodeState.ACTIVE

    @pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.MAINTENANCE])
    def test_a_stewards_word_outlasts_silence_beats_and_restarts(
        self, state: NodeState, cora: Member
    ) -> None:
        node = register(CPU)
        services.set_state(node, state, cora)
        services.mark_silent(timezone.now() + timedelta(minutes=1))
        assert services.heartbeat(node, {}) == state
        assert register(CPU).state == state


class TestState:
    def test_it_is_audited(self, cora: Member) -> None:
        node = register(CPU)
        services.set_state(node, NodeState.DRAINING, cora)
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action, entry.subject) == (cora, "node.state", "mill-1")
        assert entry.detail == {"old": "active", "new": "draining"}

    def test_offline_is_not_set_but_found(self, cora: Member) -> None:
        with pytest.raises(UserError, match="not heard of"):
            services.set_state(register(CPU), NodeState.OFFLINE, cora)
