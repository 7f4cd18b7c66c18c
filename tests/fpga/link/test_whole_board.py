"""The engine itself at the end of the line: a net is loaded by host.py into a simulated board, and answers as the
integer reference does.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.fpga.boards import BOARDS
from hardware.fpga.contained import files as contents
from hardware.fpga.frontend import read_graph
from hardware.fpga.identity import digest
from hardware.fpga.image import Image
from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.program import compiled as compiled_net
from hardware.fpga.reference import run
from hardware.fpga.shell import sources
from hardware.fpga.simulation.serial_line import Port, Simulator, compiled
from hardware.fpga.wire.image import files, of_net
from hardware.fpga.wire.link import Client
from tests.fpga.compared import steps
from tests.fpga.link.test_host import host, programs_in
from tests.fpga.test_passes import Net
from tests.fpga.test_refusals import convolution

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(300)]

BOARD = BOARDS["ice40-hx8k"]
VECTORS = 4


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(BOARD, BOARD.engine, sources(), tmp_path_factory.mktemp("engine"))


def summed(units: int) -> bytes:
    """A net that ends in a convolution: the array writes its outputs."""
    weights = np.random.default_rng(units).integers(-127, 128, (units, 3, 3, 3)).astype(np.int8)
    return convolution(side=5, depth=3, weights=weights, activation="relu")


def added(units: int) -> bytes:
    """One that ends in a sum of two convolutions: its bytes are written one by one."""
    net = Net(seed=units)
    source = net.value((4, 4, 3), 0.05, 11)
    parts = [net.convolution(source, (4, 4, 3), units, size=size) for size in (3, 1)]
    return net.content(source, net.operator("ADD", parts, net.value((4, 4, units), 0.2, 3), "AddOptions"))


def bundled(folder: Path, net: Image, vectors: tuple[Int8s, Int8s], **more: Any) -> Path:
    """What host.py needs, to load `net`."""
    programs_in(folder)
    image = of_net(net, title="one layer", inputs=vectors[0], outputs=vectors[1])
    circuit = digest(BOARD, BOARD.engine, sources())
    written = files(
        image, digest=circuit, board=BOARD.name, loader=BOARD.loader, bitstream="board.bin", **more
    )
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return folder


def asked(content: bytes) -> tuple[Graph, Int8s, Int8s]:
    """A net, vectors, and the reference's answers."""
    graph = read_graph(content)
    x = steps(graph.values[graph.input].shape, VECTORS, seed=3)
    return graph, x, run(graph, x)[graph.output]


@pytest.mark.parametrize("content", [summed(3), summed(8), added(3)], ids=["summed 3", "summed 8", "added 3"])
def test_a_net_answers_over_the_line_as_the_reference_does(
    program: Path, tmp_path: Path, content: bytes
) -> None:
    """Nets in one circuit, whose channels fill a word of the activations and don't: what nobody writes of a word stays
    what it was, and counts for nothing.
    """
    graph, x, y = asked(content)
    net = compiled_net(graph, BOARD.engine)
    folder = bundled(tmp_path / "bundle", net, (x, y))
    with Simulator(program) as simulator:
        address, size = of_net(net, title="one layer", inputs=x, outputs=y).result
        Client(simulator, patience=20.0).write(address, b"\xa5" * size)
        with Port(simulator) as port:
            done = host(folder, "--port", port.name, "--selftest", "--json", "--patience", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"vectors": VECTORS, "equal": VECTORS, "cycles": net.cycles}


def test_a_board_that_holds_the_net_answers_as_soon_as_it_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is to load is another net's: host.py finds by the board's digest that nothing has to be."""
    graph, x, y = asked(summed(8))
    net = compiled_net(graph, BOARD.engine)
    held = sources() | contents(net)
    other = dataclasses.replace(net, segments=compiled_net(read_graph(summed(5)), BOARD.engine).segments)
    folder = bundled(
        tmp_path / "bundle",
        other,
        (x, y),
        contained=(digest(BOARD, BOARD.engine, held), "contained.bin"),
    )
    (tmp_path / "board").mkdir()
    monkeypatch.chdir(tmp_path / "board")
    program = compiled(BOARD, BOARD.engine, held, Path.cwd(), contained=True)
    with Simulator(program) as simulator, Port(simulator) as port:
        done = host(folder, "--port", port.name, "--selftest", "--json", "--patience", "20")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert json.loads(done.stdout) == {"vectors": VECTORS, "equal": VECTORS, "cycles": net.cycles}
