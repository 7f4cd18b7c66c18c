"""Models as members bring them, and a way to have the engine take them in."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.engine.events import Event, Wish
from tests.engine.conftest import KEY, Run, digits, iris  # noqa: F401 - fixtures
from tests.locked import LOCKS, unpacked

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TEN = [str(number) for number in range(10)]
Take = Callable[..., Run]


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files as Keras 2 wrote them: see `tests.brought.keras2`."""
    folder = tmp_path_factory.mktemp("keras-2")
    writer = Path(__file__).with_name("keras2.py")
    env = os.environ | {"PYTHONPATH": str(unpacked(LOCKS / "keras-2.txt"))}
    subprocess.run([sys.executable, writer, folder], env=env, check=True, timeout=200, capture_output=True)
    return folder


def taking(home: Path) -> Take:
    """What runs import tasks in this process, in the folder `home`."""
    from jobs.engine.main import run

    def begin(file: Path | bytes, labels: list[str] | None, data: Path | None = None, **more: Any) -> Run:
        if isinstance(file, bytes):
            (home / "upload").write_bytes(file)
            file = home / "upload"
        task = {
            "kind": "import",
            "file": str(file),
            "filename": "x",
            "labels": labels,
            "data": str(data) if data else None,
            "data_key": KEY,
            "cache": str(home / "cache"),
            "out": str(home / "out"),
            **more,
        }
        events: list[Event] = []
        run(task, events.append, Wish())
        return Run(events, home / "out")

    return begin


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Run an import task in this process."""
    return taking(tmp_path)


@pytest.fixture
def refused(take: Take) -> Callable[..., str]:
    """The sentence with which a file is refused."""

    def sentence(
        file: Path | bytes, labels: Iterable[str] | None = ("a", "b", "c"), *rest: Any, **more: Any
    ) -> str:
        run = take(file, None if labels is None else list(labels), *rest, **more)
        assert run.done["reason"] == "refused", run.done["message"] + run.logs
        assert not (run.out / "model.keras").exists()
        message = str(run.done["message"])
        assert message.endswith(".")
        return message

    return sentence


def report_of(run: Run) -> dict[str, Any]:
    assert run.done["reason"] == "done", run.done["message"] + run.logs
    return json.loads((run.out / "report.json").read_text())


def kept(run: Run) -> Any:
    """The model that was left."""
    import keras

    return keras.models.load_model(run.out / "model.keras", compile=False)


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def exported(model: Any, folder: Path) -> Path:
    """A zip of the SavedModel that Keras 3 exports, its folder inside as file managers pack it."""
    model.export(folder / "my model", verbose=False)
    return zip_of(folder)


def zip_of(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def with_config(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A .keras file whose description was changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "config.json":
                config = json.loads(data)
                data = json.dumps(change(config) or config).encode()
            new.writestr(entry.filename, data)
    return stream.getvalue()


def pixels_of(data: Path) -> tuple[Any, Any]:
    """The digits' training pictures and labels."""
    from jobs.engine.data import load

    arrays = load(data, data.parent / "cache", KEY, size=(8, 8), channels=1)
    return np.asarray(arrays.train.x, dtype=np.float32), arrays.train.y


def linear(data: Path, *, scale: float = 1.0, order: Iterable[int] = range(10), softmax: bool = False) -> Any:
    """A model of the digits by least squares; output i stands for class order[i]. With a `scale` it sees the sine of
    pixels times that, which makes no sense of pixels in another range.
    """
    import keras

    x, y = pixels_of(data)
    seen = x if scale == 1 else np.sin(x * scale)
    flat = np.hstack([seen.reshape(len(x), -1), np.ones((len(x), 1), np.float32)])
    found = np.linalg.lstsq(flat, np.eye(10)[y] * 10, rcond=None)[0][:, list(order)]
    inputs = keras.Input((8, 8, 1))
    out = keras.layers.Dense(10)(keras.layers.Flatten()(inputs if scale == 1 else keras.ops.sin(inputs)))
    model = keras.Model(inputs, keras.layers.Softmax()(out) if softmax else out)
    model.set_weights([found[:-1], found[-1]])
    return model
