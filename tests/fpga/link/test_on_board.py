"""The engine's task of an evaluation: a bundle's test split on a board at a serial port, which is a simulated one."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.fpga.frontend import read_graph
from hardware.fpga.program import compiled as compiled_net
from hardware.fpga.simulation.serial_line import Port
from jobs.engine.events import Wish
from jobs.engine.main import run
from tests.engine.conftest import KEY, SPLITS, write_pictures
from tests.fpga import framed
from tests.fpga.link.test_classify import (  # noqa: F401 - fixtures
    BOARD,
    LABELS,
    SIDE,
    bundle,
    content,
    pictures,
    port,
    program,
    wanted,
)

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(300)]

Evaluate = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def samples() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int8]]:
    """Pictures of three classes, and the split of each: four are test samples."""
    chance = np.random.default_rng(6)
    x = chance.integers(0, 256, (10, SIDE, SIDE)).astype(np.uint8)
    return x, np.arange(10) % len(LABELS), np.array([2, 0, 2, 0, 1, 2, 0, 1, 0, 2], np.int8)


@pytest.fixture
def evaluate(bundle: Path, content: bytes, samples: Any, tmp_path: Path) -> Evaluate:  # noqa: F811
    """Run the task, with `file` as the bundle's model."""
    x, y, split = samples
    data = write_pictures(tmp_path / "data", x, y, split)

    def begin(line: str, *, file: bytes = content, wish: Wish | None = None) -> list[dict[str, Any]]:
        (bundle / "model.tflite").write_bytes(file)
        archive = tmp_path / "bundle.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted(bundle.iterdir()):
                packed.write(path, f"small/{path.name}")
        task = {
            "kind": "evaluate",
            "bundle": str(archive),
            "data": str(data),
            "data_key": KEY,
            "cache": str(tmp_path / "cache"),
            "out": str(tmp_path / "out"),
            "port": line,
            "patience": 20.0,
        }
        events: list[dict[str, Any]] = []
        run(task, events.append, wish or Wish())
        return events

    return begin


def test_what_a_board_s_answers_are_worth(
    evaluate: Evaluate,
    port: Port,  # noqa: F811
    content: bytes,  # noqa: F811
    samples: Any,
) -> None:
    events = evaluate(port.name)
    done = events[-1]
    assert done["reason"] == "done", done
    x, y, split = samples
    test = np.array([SPLITS[each] == "test" for each in split])
    outputs = wanted(content, x[test][..., None].astype(np.float32))
    right = float((outputs.argmax(axis=1) == y[test]).mean())
    said = done["summary"]
    assert (said["accuracy"], said["samples"], said["mismatches"]) == (right, 4, 0)
    assert said["cycles"] == compiled_net(read_graph(content), BOARD.engine).cycles
    assert said["engine_ms"] == pytest.approx(1000 * said["cycles"] / BOARD.core_hz, abs=1e-4)
    assert said["board"] == BOARD.name
    assert json.loads(json.dumps(said)) == said
    [metric] = [event for event in events if event["type"] == "metric"]
    assert metric["values"] == {"accuracy": right, "mismatches": 0}
    assert [event["phase"] for event in events if event["type"] == "progress"][-1] == "evaluating"


def test_answers_other_than_the_proved_ones_are_counted(evaluate: Evaluate, port: Port) -> None:  # noqa: F811
    """The file beside the image is another net's: the board can't answer as that does."""
    other = framed.classifier(np.full((len(LABELS), SIDE * SIDE), 3, np.int8), SIDE)
    assert evaluate(port.name, file=other)[-1]["summary"]["mismatches"] > 0


def test_no_board_at_the_port_is_said(evaluate: Evaluate) -> None:
    done = evaluate("/dev/ttyUSB77")[-1]
    assert done["reason"] == "refused"
    assert "/dev/ttyUSB77" in done["message"]


def test_it_can_be_called_off(evaluate: Evaluate, port: Port) -> None:  # noqa: F811
    assert evaluate(port.name, wish=Wish("checkpoint"))[-1]["reason"] == "interrupted"
