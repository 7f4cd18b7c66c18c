"""Pictures and tables answered by the engine at the end of the line: host.py with run.py beside it, as in a bundle, and
a whole split by evaluate.py. What they say is what LiteRT's reference kernels say of the same file.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hardware.fpga.boards import BOARDS
from hardware.fpga.evaluate import EvaluationError, evaluate, model_in
from hardware.fpga.floats import ends_of
from hardware.fpga.frontend import read_graph
from hardware.fpga.identity import digest
from hardware.fpga.program import compiled as compiled_net
from hardware.fpga.shell import sources
from hardware.fpga.simulation.serial_line import Port, Simulator, compiled
from hardware.fpga.tools import CancelledError
from hardware.fpga.wire.image import files, of_net
from jobs.engine.export import build
from tests.fpga import framed
from tests.fpga.compared import LiteRT
from tests.fpga.link.test_host import host, programs_in

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(300)]

BOARD = BOARDS["ice40-hx8k"]
SIDE = 4
LABELS = ["cat", "dog", "hen"]
COLUMNS = [{"name": name, "type": "number"} for name in ("a", "kind", "b", "c")]
COLUMNS[1] = {"name": "kind", "type": "category", "categories": ["x", "y", "z"]}
PATIENCE = ("--patience", "20")
RUNTIME = {"python": "3.9", "packages": ["numpy"], "pictures": ["pillow"], "minimum": "LiteRT", "note": ""}


def manifest(**said: Any) -> dict[str, Any]:
    """As much of one as run.py reads."""
    return {"format": 1, "target": {"title": BOARD.title}, "runtime": RUNTIME, **said}


PICTURES = manifest(
    labels=LABELS,
    input={"kind": "image", "shape": [1, SIDE, SIDE, 1], "height": SIDE, "width": SIDE, "channels": 1},
)
TABLES = manifest(
    labels=[],
    input={
        "kind": "table",
        "shape": [1, 4],
        "columns": COLUMNS,
        "reader": {"delimiter": ",", "decimal": ".", "encoding": "utf-8"},
    },
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(BOARD, BOARD.engine, sources(), tmp_path_factory.mktemp("engine"))


@pytest.fixture
def port(program: Path) -> Iterator[Port]:
    with Simulator(program) as simulator, Port(simulator) as opened:
        yield opened


def bundled(folder: Path, content: bytes, said: dict[str, Any], x: NDArray[np.float32]) -> Path:
    """A bundle's folder for the board, as far as these programs read it; `x` becomes its vectors."""
    graph, litert = read_graph(content), LiteRT(content)
    theirs = litert.run(x, [graph.input, graph.output])
    net = compiled_net(graph, BOARD.engine)
    image = of_net(
        net, title="small", inputs=theirs[graph.input], outputs=theirs[graph.output], ends=ends_of(content)
    )
    programs_in(folder)
    for name in build.DEVICE_FILES:
        (folder / name).write_bytes((Path(build.__file__).parent / "device" / name).read_bytes())
    (folder / "manifest.json").write_text(json.dumps(said))
    circuit = digest(BOARD, BOARD.engine, sources())
    written = files(image, digest=circuit, board=BOARD.name, loader=BOARD.loader, bitstream="board.bin")
    for name, data in written.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def content() -> bytes:
    weights = np.random.default_rng(1).integers(-127, 128, (len(LABELS), SIDE * SIDE)).astype(np.int8)
    return framed.classifier(weights, SIDE)


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.float32]:
    chance = np.random.default_rng(2)
    return chance.integers(0, 256, (4, SIDE, SIDE, 1)).astype(np.float32)


@pytest.fixture
def bundle(tmp_path: Path, content: bytes, pictures: NDArray[np.float32]) -> Path:
    return bundled(tmp_path / "bundle", content, PICTURES, pictures)


@pytest.fixture
def folder(tmp_path: Path, pictures: NDArray[np.float32]) -> Path:
    """The pictures as files, one of another size, one that is none."""
    home = tmp_path / "pictures"
    home.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels[..., 0].astype(np.uint8)).save(home / f"{number}.png")
    (home / "broken.png").write_bytes(b"no picture")
    return home


def wanted(content: bytes, x: NDArray[np.float32]) -> NDArray[np.float32]:
    litert = LiteRT(content)
    end = int(litert.output["index"])
    return litert.run(x, [end])[end]


def test_pictures_are_answered_as_run_py_says_it(
    bundle: Path, folder: Path, port: Port, content: bytes, pictures: NDArray[np.float32]
) -> None:
    done = host(bundle, "--port", port.name, "--json", "--selftest", folder, *PATIENCE)
    assert done.returncode == 1
    assert (
        done.stderr == f"{folder}/broken.png: not a picture that can be read (JPEG, PNG, BMP, GIF or WebP)\n"
    )
    tested, *said = [json.loads(line) for line in done.stdout.splitlines()]
    assert (tested["vectors"], tested["equal"]) == (4, 4)
    scores = wanted(content, pictures)
    assert [each["input"] for each in said] == [f"{folder}/{number}.png" for number in range(4)]
    for each, row in zip(said, scores, strict=True):
        assert each["scores"] == {name: round(float(p), 6) for name, p in zip(LABELS, row, strict=True)}
        assert each["label"] == LABELS[int(row.argmax())]
    assert len({tuple(row) for row in scores.tolist()}) > 1, "the pictures must not all look alike"


def test_answers_for_people_and_as_a_table(
    bundle: Path, folder: Path, port: Port, content: bytes, pictures: NDArray[np.float32]
) -> None:
    row = wanted(content, pictures[:1])[0]
    best = int(row.argmax())
    done = host(bundle, "--port", port.name, folder / "0.png", *PATIENCE)
    assert (done.returncode, done.stdout) == (0, f"{folder}/0.png: {LABELS[best]} ({row[best]:.1%})\n")
    done = host(bundle, "--port", port.name, "--csv", "--loaded", folder / "0.png", *PATIENCE)
    [line] = csv.DictReader(done.stdout.splitlines())
    assert (line["input"], line["label"]) == (f"{folder}/0.png", LABELS[best])


def test_rows_of_a_table_are_answered_with_their_own_float_operators(tmp_path: Path, port: Port) -> None:
    x = np.array([[1, 0, 5, 300], [2.5, 2, np.nan, 310], [-9, -1, -40, 200]], np.float32)
    # The first of its values is what run.py tells of a table without labels.
    content = framed.table()
    home = bundled(tmp_path / "bundle", content, TABLES, x)
    (tmp_path / "rows.csv").write_text("b,a,kind,c\n5,1,x,300\n,2.5,z,310\n-40,-9,other,200\n")
    done = host(home, "--port", port.name, "--json", tmp_path / "rows.csv", *PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["value"] for each in said] == wanted(content, x)[:, 0].tolist()
    assert said[1]["input"] == f"{tmp_path}/rows.csv:3"


def test_a_whole_split_is_run_on_the_board(bundle: Path, port: Port, content: bytes) -> None:
    x = np.random.default_rng(5).integers(0, 256, (6, SIDE, SIDE, 1)).astype(np.uint8)
    told: list[float] = []
    found = evaluate(port.name, model_in(bundle), x, patience=20, progress=told.append)
    assert np.array_equal(found.outputs, wanted(content, x.astype(np.float32)))
    assert found.outputs.dtype == np.float32
    assert set(found.cycles) == {compiled_net(read_graph(content), BOARD.engine).cycles}
    assert (found.identity.board, told[-1]) == (BOARD.name, 1.0)
    assert found.load_seconds > 0


def test_an_evaluation_can_be_called_off(bundle: Path, port: Port) -> None:
    x = np.zeros((3, SIDE, SIDE, 1), np.float32)
    done: list[float] = []
    with pytest.raises(CancelledError):
        evaluate(
            port.name,
            model_in(bundle),
            x,
            patience=20,
            progress=done.append,
            cancelled=lambda: len(done) == 2,
        )
    assert len(done) == 2
    assert evaluate(port.name, model_in(bundle), x[:1], patience=20).outputs.shape == (1, 3), (
        "the port is free"
    )


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda home: (home / "image.bin").unlink(), "image.bin cannot be read: No such file"),
        (lambda home: (home / "image.bin").write_bytes(b"x"), "image.bin is damaged"),
    ],
)
def test_a_bundle_that_is_not_whole_is_not_evaluated(
    bundle: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(bundle)
    with pytest.raises(EvaluationError, match=sentence):
        model_in(bundle)


def test_a_port_that_is_not_there(bundle: Path) -> None:
    with pytest.raises(EvaluationError, match="There is no port /dev/ttyUSB77"):
        evaluate("/dev/ttyUSB77", model_in(bundle), np.zeros((1, SIDE, SIDE, 1), np.float32))
