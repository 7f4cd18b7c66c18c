"""The engine itself at the end of the line: a net is loaded by host.py into a simulated board, and answers as the
integer reference does.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from hardware.fpga.boards import BOARDS
from hardware.fpga.frontend import read_graph
from hardware.fpga.identity import digest
from hardware.fpga.program import compiled as compiled_net
from hardware.fpga.reference import run
from hardware.fpga.shell import sources
from hardware.fpga.simulation.serial_line import Port, Simulator, compiled
from hardware.fpga.wire.image import files, of_net
from tests.fpga.compared import steps
from tests.fpga.link.test_host import host, programs_in
from tests.fpga.test_refusals import convolution

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(300)]

BOARD = BOARDS["ice40-hx8k"]
VECTORS = 4


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(BOARD, BOARD.engine, sources(), tmp_path_factory.mktemp("engine"))


@pytest.mark.parametrize("units", [3, 8])
def test_a_net_answers_over_the_line_as_the_reference_does(program: Path, tmp_path: Path, units: int) -> None:
    """Two nets in one circuit; `units` that fill a word of the activations, and that don't."""
    weights = np.random.default_rng(units).integers(-127, 128, (units, 3, 3, 3)).astype(np.int8)
    graph = read_graph(convolution(side=5, depth=3, weights=weights, activation="relu"))
    x = steps(graph.values[graph.input].shape, VECTORS, seed=units)
    net = compiled_net(graph, BOARD.engine)
    image = of_net(net, title="one layer", inputs=x, outputs=run(graph, x)[graph.output])
    folder = programs_in(tmp_path / "bundle")
    circuit = digest(BOARD, BOARD.engine, sources())
    written = files(image, digest=circuit, board=BOARD.name, loader=BOARD.loader, bitstream="board.bin")
    for name, content in written.items():
        (folder / name).write_bytes(content)
    with Simulator(program) as simulator, Port(simulator) as port:
        done = host(folder, "--port", port.name, "--selftest", "--json", "--patience", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"vectors": VECTORS, "equal": VECTORS, "cycles": net.cycles}
