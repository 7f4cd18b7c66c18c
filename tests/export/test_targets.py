"""The boards that bundles are for."""

import json

import pytest

from hardware.targets.profiles import Kind, Status, from_json
from hardware.targets.registry import TARGETS
from jobs.engine.export.fit import Need, why_not

OFFERED = {"raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w", "linux-pc"}


def test_what_is_offered() -> None:
    assert set(TARGETS) == OFFERED
    assert {target.status for target in TARGETS.values()} == {Status.OFFERED}
    assert {target.kind for target in TARGETS.values()} == {Kind.LINUX}


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_a_profile_survives_json(name: str) -> None:
    target = TARGETS[name]
    assert from_json(json.loads(json.dumps(target.as_json()))) == target
    assert set(target.summary()) == {"name", "title", "kind", "ram_bytes", "flash_bytes", "status"}
    assert target.ram_free_bytes < target.ram_bytes


def test_what_is_too_large_is_refused_in_words() -> None:
    pi = TARGETS["raspberry-pi-zero-2-w"]
    assert why_not(pi, Need(model_bytes=10 << 20, arena_bytes=5 << 20)) == ""
    reason = why_not(pi, Need(model_bytes=200 << 20, arena_bytes=0))
    assert "Raspberry Pi Zero 2 W has 256 MiB free" in reason
    assert "about 496 MiB" in reason
