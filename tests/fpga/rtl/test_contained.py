"""A circuit whose memories begin with a net: nothing is loaded but inputs."""

from pathlib import Path

import numpy as np
import pytest

from hardware.fpga.contained import files
from hardware.fpga.engine import Engine
from hardware.fpga.frontend import read_graph
from hardware.fpga.program import compiled
from hardware.fpga.reference import run
from hardware.fpga.simulator import Simulator, build
from tests.fpga.compared import steps
from tests.fpga.kept import CACHE
from tests.fpga.test_passes import Net


@pytest.mark.parametrize(("lanes", "weight_words"), [(8, 2048), (8, 16384), (16, 2048), (128, 2048)])
def test_it_computes_what_it_was_made_with(
    lanes: int, weight_words: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    parts = [net.convolution(source, (4, 4, 3), 20, size=size) for size in (3, 1)]
    added = net.operator("ADD", parts, net.value((4, 4, 20), 0.2, 3), "AddOptions")
    each = net.constant(net.chance.integers(-128, 128, 20).astype(np.int8), [0.01])
    out = net.operator("MUL", [added, each], net.value((4, 4, 20), 0.2, 3), "MulOptions")
    graph = read_graph(net.content(source, out))
    engine = Engine(lanes=lanes, weight_words=weight_words, activation_words=512)
    image = compiled(graph, engine)
    for name, content in files(image).items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    x = steps((4, 4, 3), 4, 1)
    with Simulator(build(engine, CACHE, contained=True)) as circuit:
        found, _ = circuit.answers(image, x)
    assert np.array_equal(found, run(graph, x)[graph.output])
