"""TPUs on the PCI bus and FPGA boards on USB, from the files in which the kernel shows them."""

from pathlib import Path

import pytest

from hardware.nodes.probe.fpga import FLOW, SIMULATION, boards, lines, toolchain
from hardware.nodes.probe.tpu import GIB, tpus
from hardware.targets.fpga import TOOLCHAIN
from tests.probe.machines import pci, usb, write


def test_tpus_by_their_ids_with_device_files_of_the_old_driver(tmp_path: Path) -> None:
    for place, device in (("0000:00:05.0", "0x005e"), ("0000:00:04.0", "0x005e"), ("0000:00:03.0", "0x0042")):
        pci(tmp_path, place, "0x1ae0", device)
    write(tmp_path, {"dev/accel0": "", "dev/accel1": ""})
    found, trouble = tpus(tmp_path)
    assert [(one.kind, one.index, one.model, one.memory_bytes) for one in found] == [
        ("tpu", 0, "TPU v4", 32 * GIB),
        ("tpu", 1, "TPU v4", 32 * GIB),
    ]
    assert [one.details["pci_bus"] for one in found] == ["0000:00:04.0", "0000:00:05.0"]
    assert trouble == []


def test_a_tpu_by_its_group_in_vfio(tmp_path: Path) -> None:
    pci(tmp_path, "0000:00:04.0", "0x1ae0", "0x0063", group="7")
    write(tmp_path, {"dev/vfio/7": "", "dev/vfio/vfio": ""})
    found, trouble = tpus(tmp_path)
    assert ([one.model for one in found], trouble) == (["TPU v5e"], [])


def test_a_tpu_that_cannot_be_opened_is_told_of_and_not_offered(tmp_path: Path) -> None:
    pci(tmp_path, "0000:00:04.0", "0x1ae0", "0x006f", group="7")
    write(tmp_path, {"dev/vfio/8": ""})
    found, trouble = tpus(tmp_path)
    assert found == []
    assert ["TPU v6e is at 0000:00:04.0" in sentence for sentence in trouble] == [True]


@pytest.mark.parametrize(
    ("subsystem", "models"), [("0x004e", ["TPU v2"]), ("0x004f", ["TPU v3"]), ("0x0001", [])]
)
def test_two_generations_share_an_id(tmp_path: Path, subsystem: str, models: list[str]) -> None:
    pci(tmp_path, "0000:00:04.0", "0x1ae0", "0x0027", subsystem=subsystem)
    write(tmp_path, {"dev/accel0": ""})
    assert [one.model for one in tpus(tmp_path)[0]] == models


def test_others_cards_are_no_tpus(tmp_path: Path) -> None:
    pci(tmp_path, "0000:00:04.0", "0x10de", "0x0063")
    write(tmp_path, {"dev/accel0": ""})
    assert tpus(tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("ids", "maker", "product", "title"),
    [
        ("0403:6015", "FER-RADIONA-EMARD", "ULX3S FPGA 85K v3.0.8", "ULX3S 85F"),
        ("0403:6015", "FER-RADIONA-EMARD", "ULX3S FPGA 12K v3.0.3", "ULX3S 12F"),
        ("0403:6010", "1BitSquared", "iCEBreaker V1.0e", "iCEBreaker"),
        ("0403:6010", "Lattice", "Lattice FTUSB Interface Cable", "iCE40-HX8K or iCEstick"),
        ("0403:6010", "SIPEED", "JTAG Debugger", "Sipeed Tang"),
    ],
)
def test_boards_by_what_they_say(tmp_path: Path, ids: str, maker: str, product: str, title: str) -> None:
    (board,) = boards(usb(tmp_path, "1-2", ids, product, maker=maker, serial="A1"))
    assert (board.kind, board.index, board.model, board.uuid) == ("fpga", 1, title, "A1")
    assert board.details["usb"] == "1-2"


@pytest.mark.parametrize(
    ("ids", "maker", "product"),
    [
        ("0403:6010", "FTDI", "Dual RS232-HS"),  # any adapter
        ("0403:6001", "FER-RADIONA-EMARD", "ULX3S FPGA 85K v3.0.8"),  # another chip
        ("0403:6010", "somebody", "JTAG Debugger"),
        ("1d6b:0002", "Linux", "xHCI Host Controller"),
    ],
)
def test_what_is_not_known_is_not_guessed(tmp_path: Path, ids: str, maker: str, product: str) -> None:
    assert boards(usb(tmp_path, "1-2", ids, product, maker=maker)) == []


def test_alike_boards_keep_their_numbers_in_another_socket(tmp_path: Path) -> None:
    for place, serial in (("1-1", "B"), ("1-2", "A"), ("1-1:1.0", "")):
        usb(tmp_path, place, "0403:6015", "ULX3S FPGA 85K" if serial else "", serial=serial)
    assert [(board.index, board.uuid) for board in boards(tmp_path)] == [(1, "A"), (2, "B")]


def test_a_board_that_bundles_are_for_is_named_with_its_serial_line(tmp_path: Path) -> None:
    """Of a chip with two lines the second: the first is JTAG."""
    usb(tmp_path, "1-2", "0403:6015", "ULX3S FPGA 12K v3.0.3")
    usb(tmp_path, "1-3", "0403:6010", "iCEBreaker V1.0e")
    usb(tmp_path, "1-4", "0403:6010", "JTAG Debugger", maker="SIPEED")
    for line in ("1-2/1-2:1.0/ttyUSB0", "1-3/1-3:1.0/ttyUSB1", "1-3/1-3:1.1/ttyUSB2"):
        (tmp_path / "sys/bus/usb/devices" / line).mkdir(parents=True)
    told = {
        board.model: (board.details.get("target"), board.details.get("port")) for board in boards(tmp_path)
    }
    assert told == {
        "ULX3S 12F": ("ulx3s-12f", "/dev/ttyUSB0"),
        "iCEBreaker": ("icebreaker", "/dev/ttyUSB2"),
        "Sipeed Tang": (None, None),  # which of them, nobody can tell
    }
    assert sorted(lines(tmp_path)) == ["/dev/ttyUSB0", "/dev/ttyUSB2"]


def test_the_tools_are_a_place_without_any_board() -> None:
    all_of_them = dict.fromkeys((*FLOW, *SIMULATION), "1.0")
    (place,), trouble = toolchain(all_of_them)
    assert (place.kind, place.index, place.model, trouble) == ("fpga", 0, TOOLCHAIN, [])


@pytest.mark.parametrize("missing", [*FLOW[1:], *SIMULATION])
def test_tools_that_are_not_all_there_are_told_of_and_no_place(missing: str) -> None:
    found = {name: "1.0" for name in (*FLOW, *SIMULATION) if name != missing}
    places, (sentence,) = toolchain(found)
    assert places == []
    assert f"here but for {missing}:" in sentence


def test_simulators_alone_are_no_trouble() -> None:
    """Every machine with a compiler has some of it."""
    assert toolchain(dict.fromkeys(SIMULATION, "1.0")) == ([], [])
