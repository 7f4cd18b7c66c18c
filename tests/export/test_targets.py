"""The boards that bundles are for."""

import json

import pytest

from hardware.fpga.boards import BOARDS
from hardware.fpga.runs import RUNS, offered
from hardware.targets.fpga import board_of
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


def test_what_nothing_is_built_for_is_said_to_be_planned() -> None:
    """Every kind is built; an FPGA board where the tools were seen to make a bitstream that its clock suits."""
    for target in TARGETS.values():
        assert target.kind in PACKAGINGS
        assert target.buildable == (target.kind is not Kind.FPGA or offered(target.name)), target.name
        assert target.buildable or target.runtime.note.startswith("Not yet")
        for recipe in RECIPES.values():
            assert (target.name in recipe.targets) == target.buildable


def test_a_kind_without_a_packaging_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PACKAGINGS, Kind.FPGA)
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


@pytest.mark.parametrize("name", sorted(FPGA))
def test_why_a_board_is_not_offered_is_said_by_its_recorded_run(name: str) -> None:
    target, run = TARGETS[name], RUNS.get(name)
    if offered(name):
        assert target.status is (Status.EXPERIMENTAL if BOARDS[name].experimental else Status.OFFERED)
        assert "nobody has loaded it" in target.runtime.note
    elif run is None or run.engine != BOARDS[name].engine:
        assert "no run of the tools" in target.runtime.note
    elif run.report is None:
        assert run.failure[1:60] in target.runtime.note
    else:
        assert f"may run at {run.report.fmax_hz / 1e6:.1f} MHz" in target.runtime.note
    assert target.ram_free_bytes == 8 * BOARDS[name].engine.activation_words


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ULX3S 85F", "ulx3s-85f"),
        (" Tang Nano 20K ", "tang-nano-20k"),
        ("ulx3s (lattice ecp5 45f)", "ulx3s-45f"),
        ("ULX3S", ""),
        ("", ""),
    ],
)
def test_a_board_goes_by_several_names(model: str, name: str) -> None:
    assert board_of(model) == name
