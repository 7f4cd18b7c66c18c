"""The boards that bundles are for."""

import json

import pytest

from hardware.targets.profiles import Kind, Status, from_json
from hardware.targets.registry import TARGETS
from jobs.engine.export.fit import Need, why_not
from jobs.engine.export.kinds import PACKAGINGS, packaging_for
from jobs.engine.export.variants import RefusedError
from jobs.engine.recipes.registry import RECIPES

LINUX = {
    "raspberry-pi-3", "raspberry-pi-3b-plus", "raspberry-pi-3b-plus-32bit", "raspberry-pi-4", "raspberry-pi-5",
    "raspberry-pi-zero-2-w", "linux-pc", "linux-arm64", "linux-armhf",
}  # fmt: skip
MICROCONTROLLERS = {"esp32-s3", "arduino-nano-33-ble-sense", "raspberry-pi-pico-2", "stm32f746"}
FORMATS = {"onnx", "keras", "savedmodel"}
FPGA = {
    "ulx3s-85f", "ulx3s-45f", "ulx3s-25f", "ulx3s-12f", "icebreaker", "ice40-hx8k", "tang-nano-20k",
}  # fmt: skip


def names(kind: Kind) -> set[str]:
    return {name for name, target in TARGETS.items() if target.kind is kind}


def test_what_is_listed() -> None:
    assert names(Kind.LINUX) == LINUX
    assert names(Kind.MICROCONTROLLER) == MICROCONTROLLERS
    assert names(Kind.BROWSER) == {"browser"}
    assert names(Kind.FORMAT) == FORMATS
    assert names(Kind.FPGA) == FPGA
    assert {TARGETS[name].status for name in LINUX} == {Status.OFFERED}


def test_what_no_kind_builds_is_said_to_be_planned() -> None:
    for target in TARGETS.values():
        assert target.buildable == (target.kind in PACKAGINGS), target.name
        assert target.buildable or target.runtime.note.startswith("Not yet")
        assert "no bitstreams" not in target.runtime.note  # docs/fpga-boards.md has what was made
        for recipe in RECIPES.values():
            assert (target.name in recipe.targets) == target.buildable


def test_a_kind_without_a_packaging_is_refused_in_words() -> None:
    with pytest.raises(RefusedError, match=r"Bundles for ULX3S .* cannot be built yet"):
        packaging_for(TARGETS["ulx3s-85f"])


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_profile_survives_json(name: str) -> None:
    target = TARGETS[name]
    assert from_json(json.loads(json.dumps(target.as_json()))) == target
    assert set(target.summary()) == {"name", "title", "kind", "ram_bytes", "flash_bytes", "status", "note"}
    assert target.ram_free_bytes <= target.ram_bytes


def test_what_is_too_large_is_refused_in_words() -> None:
    pi = TARGETS["raspberry-pi-zero-2-w"]
    assert why_not(pi, Need(model_bytes=10 << 20, arena_bytes=5 << 20)) == ""
    reason = why_not(pi, Need(model_bytes=200 << 20, arena_bytes=0))
    assert "Raspberry Pi Zero 2 W has 256 MiB free" in reason
    assert "about 496 MiB" in reason
