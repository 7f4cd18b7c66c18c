"""The chain of proofs: what it compares, what ends it, and what it says; whole, on a ULX3S 12F."""

import dataclasses
import json
import platform
from pathlib import Path

import numpy as np
import pytest

from hardware.fpga import chain, flow, simulator, verilator
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.chain import Task
from hardware.fpga.comparison import Vectors
from hardware.fpga.engine import Memory
from hardware.fpga.errors import FitError, MismatchError, UnsupportedError
from hardware.fpga.flow import FlowError
from hardware.fpga.frontend import read_graph
from hardware.fpga.identity import digest
from hardware.fpga.image import Image
from hardware.fpga.ir import Int8s
from hardware.fpga.program import compiled
from hardware.fpga.proof import STAGES, Proved, layers, prove, sizes
from hardware.fpga.shell import circuit, sources
from hardware.fpga.tools import CancelledError, Limits
from hardware.fpga.verilator import SimulationError
from tests.fpga.compared import LiteRT, steps
from tests.fpga.kept import CACHE, KEPT, alone
from tests.fpga.rtl.simulated import engine_of
from tests.fpga.test_passes import Net
from tests.fpga.test_refusals import convolution, logistic

BOARD = BOARDS["ulx3s-12f"]
VECTORS = 12


def net(units: int = 10) -> bytes:
    """Two convolutions, their sum, and a product with a constant: all memories of the engine are used."""
    made = Net(seed=units)
    source = made.value((5, 5, 3), 0.05, 11)
    parts = [made.convolution(source, (5, 5, 3), units, size=size) for size in (3, 1)]
    added = made.operator("ADD", parts, made.value((5, 5, units), 0.2, 3), "AddOptions")
    each = made.constant(made.chance.integers(-128, 128, units).astype(np.int8), [0.01])
    out = made.operator("MUL", [added, each], made.value((5, 5, units), 0.2, 3), "MulOptions")
    return made.content(source, out)


def asked(content: bytes, count: int = VECTORS) -> tuple[Int8s, Int8s]:
    """Vectors, and what LiteRT's reference kernels answer."""
    graph = read_graph(content)
    x = steps(graph.values[graph.input].shape, count, seed=1)
    return x, LiteRT(content).run(x, [graph.output])[graph.output]


def task(vectors: Vectors, board: Board = BOARD) -> Task:
    return Task(board=board, vectors=vectors, simulations=CACHE, limits=Limits(), cancelled=vectors.cancelled)


def given(x: Int8s, y: Int8s, folder: Path) -> Vectors:
    return Vectors(x, y, folder, lambda *_said: None, lambda: False)


def damaged(image: Image) -> Image:
    """With one bit of one weight flipped."""
    parts = []
    for address, content in image.segments:
        changed = bytearray(content)
        if address >> 20 == Memory.WEIGHTS:
            changed[0] ^= 0x40
        parts.append((address, bytes(changed)))
    return dataclasses.replace(image, segments=tuple(parts))


# --- without any tool ---------------------------------------------------------------------------------------


def test_an_answer_that_is_not_litert_s_fails_and_its_vector_is_kept(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    y[[7, 9]] ^= 1
    with pytest.raises(MismatchError, match="The reference answers vector 7 otherwise") as told:
        prove(content, board=BOARD, vectors=x, expected=y, folder=tmp_path / "proof")
    assert (told.value.stage, told.value.number) == ("reference", 7)
    with np.load(told.value.kept) as kept:
        assert np.array_equal(kept["input"], x[7])
        assert np.array_equal(kept["expected"], y[7])
        assert np.array_equal(kept["found"], y[7] ^ 1)
        assert kept["number"] == 7


def test_a_net_that_is_too_large_says_which_memory(tmp_path: Path) -> None:
    content = convolution(side=60, depth=3)
    x = y = np.zeros((1, 60, 60, 3), np.int8)
    with pytest.raises(FitError, match="its activations take 7,200 words of 8 bytes") as told:
        prove(content, board=BOARD, vectors=x, expected=y, folder=tmp_path)
    assert (told.value.memory, told.value.needs, told.value.has) == ("activations", 7200, 2048)


def test_an_operator_that_is_refused_is_named(tmp_path: Path) -> None:
    x = np.zeros((1, 4), np.int8)
    with pytest.raises(UnsupportedError, match="LOGISTIC"):
        prove(logistic(), board=BOARD, vectors=x, expected=x, folder=tmp_path)


def test_it_can_be_called_off(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    with pytest.raises(CancelledError):
        prove(content, board=BOARD, vectors=x, expected=y, folder=tmp_path, cancelled=lambda: True)


def test_there_are_as_many_answers_as_vectors_and_some(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    for vectors, expected in [(x, y[1:]), (x[:0], y[:0])]:
        with pytest.raises(ValueError, match="there must be as many, and some"):
            prove(content, board=BOARD, vectors=vectors, expected=expected, folder=tmp_path)


def test_a_board_that_holds_no_net_says_so_before_anything_takes_minutes(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    with pytest.raises(ValueError, match=r"iCEBreaker .*: no bitstream holds a net"):
        prove(content, board=BOARDS["icebreaker"], vectors=x, expected=y, folder=tmp_path, contained=True)


def test_a_netlist_is_simulated_with_some_vector(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    with pytest.raises(ValueError, match="one vector at least"):
        prove(content, board=BOARD, vectors=x, expected=y, folder=tmp_path, netlist_vectors=0)


def test_fewer_lanes_have_as_much_memory() -> None:
    found = sizes(read_graph(net()), BOARDS["ulx3s-85f"])
    assert [engine.lanes for engine in found] == [128, 64, 32, 16, 8]
    assert {engine.lanes * engine.weight_words for engine in found} == {128 * 2048}
    assert all(image.engine == engine for engine, image in found.items())


def test_cycles_and_multiplications_of_each_layer() -> None:
    image = compiled(read_graph(net()), engine_of(16))
    told = layers(image.steps)
    assert sum(layer.cycles for layer in told) == image.cycles
    counts = {layer.multiply_accumulates for layer in told if layer.operator == "CONV_2D"}
    assert counts == {25 * 10 * 27, 25 * 10 * 3}
    assert {layer.multiply_accumulates for layer in told if layer.operator in {"ADD", "MUL"}} == {0}


def test_a_sample_is_spread_over_the_vectors(tmp_path: Path) -> None:
    x = np.zeros((100, 4), np.int8)
    vectors = given(x, x, tmp_path)
    assert vectors.sample(4).tolist() == [0, 33, 66, 99]
    assert given(x[:3], x[:3], tmp_path).sample(8).tolist() == [0, 1, 2]
    assert given(x[:1], x[:1], tmp_path).sample(8).tolist() == [0]


# --- in simulation ------------------------------------------------------------------------------------------


@pytest.mark.fpga
def test_the_verilog_is_compared_on_every_vector(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    image = compiled(read_graph(content), engine_of(16))
    stage = chain.rtl(task(given(x, y, tmp_path)), engine_of(16), image)
    assert (stage.name, stage.vectors, stage.mismatches) == ("rtl", VECTORS, 0)
    changed = y.copy()
    changed[[5, 11]] ^= 1
    with pytest.raises(MismatchError, match="The rtl answers vector 5 otherwise") as told:
        chain.rtl(task(given(x, changed, tmp_path)), engine_of(16), image)
    with np.load(told.value.kept) as kept:
        assert np.array_equal(kept["found"], y[5])


@pytest.mark.fpga
def test_a_weight_that_is_off_by_a_bit_is_found(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    image = compiled(read_graph(content), engine_of(16))
    with pytest.raises(MismatchError) as told:
        chain.rtl(task(given(x, y, tmp_path)), engine_of(16), damaged(image))
    assert told.value.stage == "rtl"


@pytest.mark.fpga
def test_cycles_that_were_not_predicted_fail(tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    image = compiled(read_graph(content), engine_of(16))
    steps_ = (dataclasses.replace(image.steps[0], cycles=image.steps[0].cycles + 1), *image.steps[1:])
    with pytest.raises(FlowError, match=r"cycles, .* were predicted") as told:
        chain.rtl(task(given(x, y, tmp_path)), engine_of(16), dataclasses.replace(image, steps=steps_))
    assert told.value.stage == "rtl"


@pytest.mark.fpga
def test_without_verilator_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    content = net()
    x, y = asked(content)
    engine = dataclasses.replace(BOARD.engine, table_words=513)  # never built by any other test
    with pytest.raises(LookupError, match="verilator is not installed"):
        chain.rtl(task(given(x, y, tmp_path)), engine, compiled(read_graph(content), engine))


@pytest.mark.fpga
def test_a_simulation_in_the_making_can_be_called_off(tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        simulator.build(BOARD.engine, tmp_path, cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fpga
def test_a_simulation_that_cannot_be_made_says_what_verilator_said(tmp_path: Path) -> None:
    files = {"engine.v": "module engine (input clk);\n  wire 1;\nendmodule\n"}
    with pytest.raises(SimulationError, match=r"(?s)No simulation could be made.*engine\.v:2:.*syntax error"):
        verilator.program(files, folder=tmp_path)


@pytest.mark.fpga
def test_a_simulation_is_made_once_for_each_kind_of_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its instructions are this one's; a folder may come from another machine."""
    files = {
        "engine.v": "module engine (input clk, output reg q);\nalways @(posedge clk) q <= !q;\nendmodule\n",
        "engine.cpp": '#include "Vengine.h"\nint main() { Vengine engine; engine.eval(); return 0; }\n',
    }
    first = verilator.program(files, folder=tmp_path)
    made = first.stat().st_mtime_ns
    assert verilator.program(files, folder=tmp_path) == first
    assert first.stat().st_mtime_ns == made
    monkeypatch.setattr(platform, "machine", lambda: "another")
    assert verilator.program(files, folder=tmp_path) != first


# --- whole --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]) -> Proved:
    content = net()
    x, y = asked(content)
    with alone("board"):
        return prove(
            content,
            board=BOARD,
            vectors=x,
            expected=y,
            folder=tmp_path_factory.mktemp("proof"),
            cache=KEPT,
            netlist_vectors=3,
            progress=lambda *each: said.append(each),
        )


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_a_whole_proof(proved: Proved, said: list[tuple[str, str]]) -> None:
    assert [(stage.name, stage.vectors) for stage in proved.stages] == [
        ("reference", VECTORS), ("rtl", VECTORS), ("netlist", 3), ("timing", 0),
    ]  # fmt: skip
    assert {stage.mismatches for stage in proved.stages} == {0}
    assert proved.built.report.met
    assert proved.engine == BOARD.engine
    assert proved.circuit.digest == digest(BOARD, BOARD.engine, sources())
    assert proved.cycles == sum(layer.cycles for layer in proved.layers)
    assert proved.seconds == proved.cycles / 75e6
    assert proved.energy.joules > 0
    assert "estimate" in proved.energy.source
    assert json.loads(json.dumps(proved.as_json()))["stages"][2]["vectors"] == 3
    told = {stage for stage, _ in said}
    assert {"reference", "rtl", "netlist", "pack"} <= told <= {*STAGES, "place and route", "pack"}
    assert proved.built.report.block_rams <= BOARD.block_rams


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_another_net_needs_no_synthesis(proved: Proved, tmp_path: Path) -> None:
    """Neither of its circuit nor of what simulates it."""
    content = net(units=7)
    x, y = asked(content)
    said: list[tuple[str, str]] = []
    again = prove(
        content,
        board=BOARD,
        vectors=x,
        expected=y,
        folder=tmp_path,
        cache=KEPT,
        netlist_vectors=2,
        progress=lambda *each: said.append(each),
    )
    assert ("pack", "taken from the cache") in said
    assert not [each for each in said if each[0] == "place and route"]
    assert again.built.bitstream.read_bytes() == proved.built.bitstream.read_bytes()
    assert again.image != proved.image


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_a_netlist_that_answers_otherwise_fails(proved: Proved, tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    y[-1] ^= 1
    with pytest.raises(MismatchError) as told:
        chain.wired(
            dataclasses.replace(task(given(x, y, tmp_path)), simulations=KEPT / "simulations"),
            "netlist",
            proved.built.netlist,
            proved.circuit,
            proved.image,
            2,
        )
    assert (told.value.stage, told.value.number) == ("netlist", VECTORS - 1)


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_a_netlist_of_another_circuit_is_found_over_the_line(proved: Proved, tmp_path: Path) -> None:
    content = net()
    x, y = asked(content)
    other = dataclasses.replace(proved.circuit, digest=bytes(16))
    with pytest.raises(FlowError, match="it is 00000000"):
        chain.wired(
            dataclasses.replace(task(given(x, y, tmp_path)), simulations=KEPT / "simulations"),
            "netlist",
            proved.built.netlist,
            other,
            proved.image,
            1,
        )


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_a_net_in_the_block_rams_needs_no_loading(tmp_path: Path) -> None:
    """The netlist alone: routing it says nothing more of what it computes."""
    content = net()
    x, y = asked(content)
    graph = read_graph(content)
    image = compiled(graph, BOARD.engine)
    filled = circuit(BOARD, BOARD.engine, image=image)
    routed = flow.netlist(filled, BOARD, folder=tmp_path / "contained")
    stage = chain.wired(
        dataclasses.replace(task(given(x, y, tmp_path)), simulations=KEPT / "simulations"),
        "contained",
        routed,
        filled,
        image,
        3,
    )
    assert (stage.vectors, stage.mismatches) == (3, 0)
    assert filled.digest != circuit(BOARD, BOARD.engine).digest
