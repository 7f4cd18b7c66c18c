"""Each of the image classifier's networks: trained on real digits, made int8, and taken by a small board's library."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hardware.targets.registry import TARGETS
from jobs.engine.data import load
from jobs.engine.recipes.sizing.images import NetworkName
from tests.engine.conftest import KEY, Start, dealt, write_pictures

pytestmark = pytest.mark.train
BOARDS = [json.loads(json.dumps(TARGETS[name].as_json())) for name in ("stm32f746", "ulx3s-85f")]
OPERATORS = {
    "separable": {"MUL", "ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"},
    "plain": {"MUL", "ADD", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"},
}


@pytest.mark.parametrize(("network", "width"), [("separable", 32), ("plain", 16)])
def test_digits_are_learnt_and_stay_learnt_as_int8(
    network: NetworkName, width: int, digits: Path, start: Start, tmp_path: Path
) -> None:
    import keras

    from hardware.fpga.frontend import read_graph
    from jobs.engine.export.convert import Converter
    from jobs.engine.export.graph import inspect
    from jobs.engine.export.microcontroller.tflm import Micro

    params = {"network": network, "width": width, "epochs": 15}
    run = start("image-classifier", digits, params, targets=BOARDS)
    assert run.done["reason"] == "done", run.logs
    assert "Built untrained, it fits STM32F746, ULX3S (Lattice ECP5 85F)." in run.logs
    right = run.done["summary"]["metrics"]["accuracy"]
    assert right >= 0.95
    arrays = load(digits, tmp_path / "cache", KEY, size=(8, 8), channels=1)
    model = keras.models.load_model(run.out / "model.keras", compile=False)
    with Converter(model, (8, 8, 1), tmp_path) as converter:
        content = converter.int8_throughout(arrays.representative(200))
    assert set(inspect(content).operators) == OPERATORS[network]
    micro = Micro(content)
    found = micro.real(micro.raw(micro.quantised(np.asarray(arrays.test.x)))).argmax(axis=1)
    assert float((found == arrays.test.y).mean()) == pytest.approx(right, abs=0.02)
    read_graph(content)


@pytest.mark.parametrize("network", ["separable", "plain"])
def test_each_is_made_to_fit(network: NetworkName, few_digits: Path, start: Start) -> None:
    board = {**BOARDS[0], "ram_free_bytes": 24 << 10}
    params = {"epochs": 1, "width": 128, "network": network, "image_size": 32}
    run = start("image-classifier", few_digits, params, targets=[board], fit=True)
    assert run.done["reason"] == "done", run.logs
    report = json.loads((run.out / "report.json").read_text())
    assert (report["params"]["network"], report["params"]["width"] < 128) == (network, True)
    assert "Built untrained, it fits STM32F746." in run.logs


def test_long_pictures_keep_their_shape_when_asked(start: Start, tmp_path: Path) -> None:
    real = load_digits()
    pictures = np.repeat((real.images[:400] * 15.9375).astype(np.uint8), 3, axis=1)
    folder = write_pictures(tmp_path / "long", pictures, real.target[:400], dealt(real.target[:400]))
    for shape, height in (("kept", 24), ("square", 8)):
        run = start("image-classifier", folder, {"epochs": 1, "shape": shape, "network": "separable"})
        found = json.loads((run.out / "report.json").read_text())["input"]
        assert found == {"kind": "image", "height": height, "width": 8, "channels": 1, "range": [0, 255]}


def test_another_network_is_no_start(few_digits: Path, start: Start) -> None:
    """Layers of one name and shape, such as the first, are taken; of a plain network there are none."""
    first = start("image-classifier", few_digits, {"epochs": 1})
    other = {"epochs": 1, "network": "plain"}
    run = start("image-classifier", few_digits, other, warm_start=first.out / "model.keras")
    assert "Nothing of the model to start from fits" in run.done["message"]
