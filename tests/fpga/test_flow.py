"""From Verilog to bitstreams with the open tools, and how that ends when it doesn't come to one.

The engine's place is taken by a small memory: these are tests of the flow.
"""

import dataclasses
import json
import os
import threading
import time
from pathlib import Path

import pytest

from hardware.fpga import tools
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.chips import CHIPS
from hardware.fpga.flow import Built, FlowError, _Run, build, build_largest
from hardware.fpga.identity import digest
from hardware.fpga.shell import Circuit, circuit
from hardware.fpga.simulation import netlist
from hardware.fpga.simulation.netlist import Line, Wired
from hardware.fpga.tools import CancelledError, Limits, ToolError
from hardware.fpga.wire.link import Client
from tests.fpga.link.conftest import verilog

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(600)]

ICE40, ECP5 = BOARDS["ice40-hx8k"], BOARDS["ulx3s-25f"]
BEGINNINGS = {"bit": b"\xff\x00", "bin": b"\xff\x00"}  # ECP5 and iCE40 bitstreams begin with a comment


def made(board: Board, **changed: str) -> Circuit:
    return circuit(board, verilog=verilog() | changed)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=[ICE40, ECP5], ids=lambda board: board.name)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Built:
    board: Board = request.param
    return build(made(board), board, folder=tmp_path_factory.mktemp(board.name), cache=cache)


def test_a_bitstream_that_meets_timing(built: Built) -> None:
    report, board = built.report, BOARDS[built.report.board]
    assert report.met, report
    assert report.wanted_hz == board.core_hz
    assert 300 < report.cells < 1500
    assert 2 <= report.block_rams <= 4, "the memory's and the frame's"
    assert report.multipliers == 0
    assert built.bitstream.read_bytes().startswith(BEGINNINGS[built.bitstream.suffix[1:]])
    assert set(report.seconds) == {"netlist", "place and route", "pack"}
    assert report.versions == tools.versions(CHIPS[board.family].tools)
    assert json.loads((built.bitstream.parent / "report.json").read_text())["sha256"] == report.sha256
    for log in ("yosys.log", f"seed-{report.seed}.log"):
        assert (built.bitstream.parent / log).stat().st_size > 1000


def test_the_same_again_comes_from_the_cache(built: Built, cache: Path, tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    board = BOARDS[built.report.board]
    again = build(
        made(board), board, folder=tmp_path / "again", cache=cache, progress=lambda *each: said.append(each)
    )
    assert said == [("pack", "taken from the cache")]
    assert again.report.cached
    assert again.bitstream.read_bytes() == built.bitstream.read_bytes()
    assert again.report.tried == built.report.tried


def test_a_damaged_cache_is_not_used(built: Built, cache: Path, tmp_path: Path) -> None:
    if built.report.board != ICE40.name:
        pytest.skip("once is enough")
    for kept in cache.glob("*/board.bin"):
        kept.write_bytes(b"damaged")
    said: list[tuple[str, str]] = []
    again = build(
        made(ICE40), ICE40, folder=tmp_path / "again", cache=cache, progress=lambda *each: said.append(each)
    )
    assert [stage for stage, _ in said] == ["netlist", "place and route", "pack"]
    assert again.bitstream.read_bytes() == built.bitstream.read_bytes(), "the same bytes, in another folder"


def test_the_netlist_answers_as_the_verilog_does(built: Built, tmp_path: Path) -> None:
    """What was routed, cell by cell, block RAMs included, over the board's serial line."""
    board = BOARDS[built.report.board]
    with Wired(netlist.build(built.netlist, board, tmp_path), board) as circuit:
        circuit.attach(line=True)
        engine = Client(Line(circuit), patience=60.0)
        assert engine.identify().digest == digest(board, board.engine, verilog()).hex()
        content = bytes(at * 11 % 256 for at in range(600))
        engine.write(64, content)
        assert engine.read(64, 600) == content
        engine.write(0, bytes((5, 0, 20)))
        for number in range(5):
            source = bytes((number * 50 + at) % 256 for at in range(20))
            found = engine.infer((0x100, source), (0x200, 20))
            assert found == (bytes((byte + 5) % 256 for byte in source), 25)
        assert engine.retries == 0


def test_what_is_too_slow_is_tried_with_every_seed(tmp_path: Path) -> None:
    hurried = dataclasses.replace(ICE40, core_hz=400_000_000)
    said: list[str] = []
    found = build(
        made(ICE40), hurried, folder=tmp_path, seeds=(4, 5), progress=lambda _, each: said.append(each)
    )
    assert not found.report.met
    assert [each for each in said if "seed" in each] == [
        "nextpnr-ice40, seed 4 (1 of 2)", "nextpnr-ice40, seed 5 (2 of 2)",
    ]  # fmt: skip
    assert {each.seed for each in found.report.tried} == {4, 5}
    assert found.report.fmax_hz == max(each.fmax_hz for each in found.report.tried)


def test_what_does_not_fit_is_told_and_smaller_ones_are_tried(tmp_path: Path) -> None:
    """The memory's size is what WEIGHT_WORDS says here."""
    engine = verilog()["memory_engine.v"].replace("[0:1023]", "[0:WEIGHT_WORDS - 1]")
    engine = engine.replace("bus_address[23:10] == 14'd0", "bus_address < WEIGHT_WORDS")
    engine = engine.replace("bus_address[9:0]", "bus_address[15:0]").replace(
        "busy ? walk", "busy ? {6'd0, walk}"
    )
    engine = engine.replace("{2'd2, index}", "{8'd2, index}")
    sizes = [dataclasses.replace(ICE40.engine, weight_words=words) for words in (65536, 1024)]
    said: list[tuple[str, str]] = []
    size, found = build_largest(
        sizes,
        lambda size: circuit(ICE40, size, verilog=verilog() | {"memory_engine.v": engine}),
        ICE40,
        folder=tmp_path,
        seeds=(1,),
        progress=lambda *each: said.append(each),
    )
    assert size == sizes[1]
    assert found.report.met
    told = [detail for _, detail in said if "did not do" in detail]
    assert len(told) == 1
    assert "Nothing was routed on iCE40-HX8K Breakout Board with seeds 1" in told[0]


def test_verilog_that_is_wrong_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"(?s)No netlist could be made.*uart_tx\.v:2") as told:
        build(made(ICE40, **{"uart_tx.v": "module uart_tx;\nwire 1;\nendmodule\n"}), ICE40, folder=tmp_path)
    assert told.value.stage == "netlist"


def test_cancelling_ends_the_tool_and_all_that_it_started(tmp_path: Path) -> None:
    began, stop = time.monotonic(), threading.Event()
    threading.Timer(1.0, stop.set).start()
    with pytest.raises(CancelledError):
        build(made(ICE40), ICE40, folder=tmp_path, cancelled=stop.is_set)
    assert time.monotonic() - began < 20
    assert running(tmp_path) == []


def test_a_tool_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="yosys took more than 1 seconds and was ended"):
        build(made(ICE40), ICE40, folder=tmp_path, limits=Limits(seconds=1.0))
    assert running(tmp_path) == []


def test_a_tool_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="No netlist could be made"):
        build(made(ICE40), ICE40, folder=tmp_path, limits=Limits(memory_bytes=64 * 1024**2))


def test_a_tool_that_writes_nothing_is_no_success(tmp_path: Path) -> None:
    """As YoWASP's programs do when they are trapped."""
    run = _Run(ICE40, CHIPS[ICE40.family], tmp_path, Limits(), lambda: False, lambda *_: None)
    with pytest.raises(ToolError, match="wrote no netlist"):
        run.tool(tools.YOSYS, ["-V"], "yosys.log", "netlist.json")


def test_a_tool_that_is_not_installed_is_named() -> None:
    with pytest.raises(LookupError, match=r"no-such-thing is not installed: requirements/fpga\.txt has it"):
        tools.versions([tools.Tool("x", "no-such-thing", "x")])


def running(folder: Path) -> list[str]:
    """Programs whose environment names the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.name != str(os.getpid()) and str(folder).encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_text())
        except OSError:
            continue
    return found
