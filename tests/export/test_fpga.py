"""Builds for FPGA boards, as far as they go without the tools: how they tell what they do, and what is refused."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardware.targets.profiles import Target, Variant
from hardware.targets.registry import TARGETS
from jobs.engine.data import load
from jobs.engine.ends import UnprovedError
from jobs.engine.events import Reporter, Wish
from jobs.engine.export.fpga import packaging
from jobs.engine.export.fpga.progress import PHASES, STAGES, Telling
from jobs.engine.export.kinds import Build
from jobs.engine.export.task import BuildTask
from tests.export.conftest import Built
from tests.export.test_refusals import rebuilt


def board(name: str) -> Target:
    return dataclasses.replace(TARGETS[name], variants=(Variant.INT8,))


# --- what is told ------------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_proof_creeps_on_and_never_goes_back() -> None:
    """Also where a stage comes twice: the netlist is made, and later simulated."""
    clock, said, logged = Clock(), [], []
    telling = Telling(lambda phase, part: said.append((phase, part)), logged.append, clock)
    for stage in ("reference", "rtl", "netlist", "place and route", "pack", "netlist", "timing"):
        clock.now += 30
        telling.stage(stage, f"about {stage}")
        for _ in range(3):
            clock.now += 1
            assert telling.look() is False
    parts = [part for _, part in said]
    assert all(earlier < later for earlier, later in itertools.pairwise(parts))
    assert parts[-1] < 1
    assert [phase for phase, _ in said][-4:] == ["timing"] * 4
    assert dict(said)["place and route"] >= STAGES["place and route"]
    assert logged[1] == "rtl: about rtl"


def test_counts_are_no_lines_of_a_log_and_begin_no_stage() -> None:
    clock, said, logged = Clock(), [], []
    telling = Telling(lambda phase, part: said.append((phase, part)), logged.append, clock)
    telling.stage("rtl", "Verilator, 16 lanes")
    clock.now += 100
    telling.stage("rtl", "7 of 1000 vectors")
    assert logged == ["rtl: Verilator, 16 lanes"]
    assert said[-1][1] > said[0][1] + 0.1


def test_each_stage_is_a_phase_of_the_job() -> None:
    events: list[dict[str, Any]] = []
    reporter = Reporter(events.append, Wish(), phases=PHASES, clock=lambda: 10.0 * len(events))
    telling = Telling(reporter.progress, reporter.log, Clock())
    for stage in STAGES:
        telling.stage(stage, "begun")
    told = [event for event in events if event["type"] == "progress"]
    assert [event["phase"] for event in told] == list(STAGES)
    assert all(len(event["phase"]) <= 40 for event in told)
    start, end = PHASES["rtl"]
    assert all(start <= event["fraction"] <= end for event in told)


# --- what is proved -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Of the digits' model, up to where its circuit is proved."""
    import keras

    from jobs.engine.export.variants import export

    home = tmp_path_factory.mktemp("fpga")
    target = board("ulx3s-12f")
    task = BuildTask.model_validate({**digits.task, "target": target, "cache": home, "out": home})
    arrays = load(Path(digits.task["data"]), Path(digits.task["cache"]), "key", size=(8, 8), channels=1)
    model = keras.models.load_model(digits.task["model"])

    def tick(_phase: str, _part: float) -> None:
        pass

    exports = export(model, arrays, target, scratch=home, threads=1, tick=tick)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOWASP_CACHE_DIR", str(home))
        yield Build(task, {}, model, arrays, exports, home, 1, tick)


@pytest.mark.train
def test_a_host_that_computes_otherwise_than_litert_ends_the_build(build: Build) -> None:
    content = packaging._content(build)
    said = packaging._ends(build, content)
    samples = packaging._samples(build, content, said)
    assert len(samples.inputs) == len(samples.outputs) == len(build.arrays.test.y) > 100
    other = {**said, "quantise": {**said["quantise"], "zero": said["quantise"]["zero"] + 1}}
    with pytest.raises(UnprovedError, match="make of the inputs what LiteRT makes"):
        packaging._samples(build, content, other)
    with pytest.raises(UnprovedError, match="make of the outputs what LiteRT makes"):
        packaging._samples(build, content, {**said, "softmax": None})


@pytest.mark.train
def test_an_answer_that_is_not_litert_s_ends_the_build(build: Build) -> None:
    content = packaging._content(build)
    samples = packaging._samples(build, content, packaging._ends(build, content))
    outputs = samples.outputs.copy()
    outputs[5] ^= 1
    with pytest.raises(UnprovedError, match="The reference answers vector 5 otherwise"):
        packaging._proved(build, content, dataclasses.replace(samples, outputs=outputs))


@pytest.mark.train
def test_a_node_without_a_tool_is_told_which(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No refusal: another node may have it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    content = packaging._content(build)
    samples = packaging._samples(build, content, packaging._ends(build, content))
    with pytest.raises(UnprovedError, match="verilator is not installed"):
        packaging._proved(build, content, samples)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.train
def test_a_model_that_the_engine_has_no_room_for_is_refused_in_its_words(
    digits: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    found = rebuilt(digits, tmp_path, board("icebreaker"))
    assert found.done["reason"] == "refused"
    assert "this engine has 256" in found.done["message"]
    assert "a board with a larger engine" in found.done["message"]
    assert not found.bundle.exists()
    phases = [event["phase"] for event in found.events if event["type"] == "progress"]
    assert "reference" not in phases, "before anything takes minutes"


@pytest.mark.train
def test_a_model_without_data_is_refused(digits: Built, tmp_path: Path) -> None:
    found = rebuilt(digits, tmp_path, board("ulx3s-12f"), data=None)
    assert found.done["reason"] == "refused"
    assert "no data to calibrate int8 with" in found.done["message"]


@pytest.mark.train
def test_an_operator_that_nobody_computes_is_named(digits: Built, tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(pixels)
    dense = keras.layers.Dense(8, activation="tanh")(flat)
    model = keras.Model(pixels, keras.layers.Dense(10, activation="softmax")(dense))
    model.save(tmp_path / "model.keras")
    found = rebuilt(digits, tmp_path, board("ulx3s-12f"), model=str(tmp_path / "model.keras"))
    assert found.done["reason"] == "refused", json.dumps(found.done)
    assert found.done["message"].startswith("TANH (")
    assert "Instead: ReLU or ReLU6." in found.done["message"]
