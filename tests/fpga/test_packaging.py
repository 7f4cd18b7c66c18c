"""A build for an FPGA board, whole: a model trained on digits, its proof, its bundle; and how it is called off."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hardware.fpga.boards import BOARDS
from hardware.fpga.evaluate import model_in
from hardware.fpga.frontend import read_graph
from hardware.fpga.shell import circuit, sources
from hardware.fpga.simulation.serial_line import Port, Simulator, compiled
from hardware.fpga.wire.ends import packed
from hardware.targets.profiles import Variant
from hardware.targets.registry import TARGETS
from jobs.engine.ends import InterruptedByRequestError
from jobs.engine.events import Wish
from jobs.engine.export.fpga.packaging import SELFTEST
from tests.export.conftest import check, digits_zip
from tests.fpga.compared import LiteRT
from tests.fpga.kept import HOME, KEPT, alone
from tests.fpga.link.test_host import host

pytestmark = [pytest.mark.fpga, pytest.mark.train, pytest.mark.timeout(600)]

BOARD = BOARDS["ulx3s-12f"]
TARGET = dataclasses.replace(TARGETS[BOARD.name], variants=(Variant.INT8,))
WIDTH = 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A task whose node keeps what it made for a board where all proofs of these tests do."""
    import keras

    from jobs.engine.data import load
    from jobs.engine.networks import image_network

    folder = tmp_path_factory.mktemp("digits")
    check(folder, "image-classification", "digits.zip", digits_zip())
    arrays = load(folder / "data", folder / "pixels", "key", size=(8, 8), channels=1)
    keras.utils.set_random_seed(1)
    model = image_network((8, 8, 1), classes=10, width=WIDTH, dropout=0.0).full
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(arrays.train.x.astype(np.float32), arrays.train.y, epochs=20, batch_size=32, verbose=0)
    model.save(folder / "model.keras")
    (folder / "report.json").write_text(json.dumps({"task": "image-classification", "labels": []}))
    KEPT.mkdir(parents=True, exist_ok=True)
    (folder / "node").mkdir()
    (folder / "node" / "fpga").symlink_to(KEPT)
    task = {
        "kind": "build",
        "target": json.loads(json.dumps(TARGET.as_json())),
        "model": str(folder / "model.keras"),
        "report": str(folder / "report.json"),
        "data": str(folder / "data"),
        "data_key": "key",
        "cache": str(folder / "node"),
        "out": str(folder / "out"),
        "provenance": {"job": "j1", "name": "digits"},
    }
    with pytest.MonkeyPatch.context() as patch:  # the tools that other tests compiled
        patch.setenv("YOWASP_CACHE_DIR", str(HOME.with_name("YoWASP")))
        yield task


def run(task: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    from jobs.engine.export.build import run as build

    events: list[dict[str, Any]] = []
    build({**task, **changes}, events.append, Wish())
    return events


@pytest.fixture(scope="module")
def events(trained: dict[str, Any]) -> list[dict[str, Any]]:
    with alone("board"):
        return run(trained)


@pytest.fixture(scope="module")
def bundle(trained: dict[str, Any], events: list[dict[str, Any]]) -> Path:
    assert events[-1]["reason"] == "done", events[-1]
    return Path(trained["out"]) / "bundle"


def test_what_a_build_tells(events: list[dict[str, Any]], bundle: Path) -> None:
    told = [event for event in events if event["type"] == "progress"]
    fractions = [event["fraction"] for event in told]
    assert fractions == sorted(fractions)
    phases = list(dict.fromkeys(event["phase"] for event in told))
    assert [phase for phase in phases if phase in {"reference", "rtl", "netlist", "packing"}] == [
        "reference", "rtl", "netlist", "packing",
    ]  # fmt: skip
    summary = events[-1]["summary"]
    assert summary["accuracy"] > 0.8
    assert abs(summary["accuracy"] - summary["float_accuracy"]) < 0.05
    assert set(summary["stages"]) == {"reference", "rtl", "netlist", "timing"}
    assert summary["latency_ms"] == summary["cycles"] / 75_000
    logged = "".join(event["text"] for event in events if event["type"] == "log")
    assert "rtl: Verilator, 16 lanes" in logged


def test_the_manifest_has_each_stage_and_what_the_board_is_worth(bundle: Path) -> None:
    said = json.loads((bundle / "manifest.json").read_text())
    found = said["fpga"]
    assert [(stage["name"], stage["mismatches"]) for stage in found["stages"]] == [
        ("reference", 0), ("rtl", 0), ("netlist", 0), ("timing", 0),
    ]  # fmt: skip
    assert found["stages"][1]["vectors"] == found["samples"], "the whole test split"
    assert {*said["files"], "manifest.json"} == {path.name for path in bundle.iterdir()}
    for name, listed in said["files"].items():
        content = (bundle / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (listed["bytes"], listed["sha256"])
    assert found["report"]["fmax_hz"] >= found["report"]["wanted_hz"] == BOARD.core_hz
    assert found["report"]["sha256"] == said["files"][found["bitstream"]]["sha256"]
    assert "No board was attached" in found["proof"]
    assert found["proof"] in (bundle / "README.md").read_text()
    assert "on the board" in (bundle / "report.html").read_text()


def test_the_boards_answers_are_litert_s(bundle: Path, trained: dict[str, Any]) -> None:
    """The image's vectors are test samples, and what LiteRT's reference kernels say to them."""
    from jobs.engine.data import load

    model = model_in(bundle)
    assert model.digests == {circuit(BOARD).digest.hex()}
    arrays = load(Path(trained["data"]), Path(trained["cache"]), "key", size=(8, 8), channels=1)
    content = (bundle / "model.tflite").read_bytes()
    graph, litert = read_graph(content), LiteRT(content)
    end = int(litert.output["index"])
    found = litert.run(arrays.test.x.astype(np.float32), [graph.input, graph.output, end])
    chosen = np.linspace(0, len(arrays.test.y) - 1, SELFTEST).astype(int)
    assert model.vectors == [
        (packed(model.said["feed"], found[graph.input][at]), found[graph.output][at].tobytes())
        for at in chosen
    ]
    answers = found[end]
    right = float((answers.argmax(axis=1) == arrays.test.y).mean())
    assert json.loads((bundle / "manifest.json").read_text())["fpga"]["accuracy"] == pytest.approx(right)


def test_another_build_on_a_prepared_board_gives_the_same_bytes(
    trained: dict[str, Any], bundle: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    events = run(trained, out=str(tmp_path / "out"))
    assert events[-1]["summary"]["flow_cached"] is True
    assert time.monotonic() - began < 120, "nothing is placed and routed"
    again = tmp_path / "out" / "bundle"
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in bundle.iterdir()
    }


def test_a_build_that_is_called_off_ends_its_tools(trained: dict[str, Any], tmp_path: Path) -> None:
    """Verilator is at work: nothing is prepared in this cache."""
    from jobs.engine.export.build import run as build

    wish, said = Wish(), []

    def emit(event: dict[str, Any]) -> None:
        said.append(event)
        if event["type"] == "log" and event["text"].startswith("rtl: Verilator"):
            wish.command = "checkpoint"

    (tmp_path / "node").mkdir()
    with pytest.raises(InterruptedByRequestError):
        build({**trained, "out": str(tmp_path / "out"), "cache": str(tmp_path / "node")}, emit, wish)
    assert said[-1]["type"] != "done"
    assert working_in(tmp_path) == []


def working_in(folder: Path) -> list[bytes]:
    """Command lines of programs that were started for something in this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            said = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in said and int(place.name) != os.getpid():
            found.append(said)
    return found


def test_the_bundle_answers_a_digit_at_a_simulated_boards_line(
    bundle: Path, trained: dict[str, Any], tmp_path: Path
) -> None:
    """Its own host.py, the model loaded over the line; the file is read by run.py's rules."""
    from jobs.engine.data import load

    arrays = load(Path(trained["data"]), Path(trained["cache"]), "key", size=(8, 8), channels=1)
    pixels = np.asarray(arrays.test.x[0])
    Image.fromarray(pixels[..., 0]).save(tmp_path / "digit.png")
    litert = LiteRT((bundle / "model.tflite").read_bytes())
    end = int(litert.output["index"])
    wanted = litert.run(pixels[None].astype(np.float32), [end])[end][0]
    program = compiled(BOARD, BOARD.engine, sources(), tmp_path)
    with Simulator(program) as simulator, Port(simulator) as port:
        done = host(bundle, "--port", port.name, "--json", tmp_path / "digit.png", "--patience", "60")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert list(said["scores"].values()) == [round(float(each), 6) for each in wanted]
    assert said["label"] == arrays.labels[int(wanted.argmax())]
