"""From a brought file to a Keras model: nothing but layers of Keras's own, whatever the file was."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.engine.brought import archive, config, hdf5, saved_model
from jobs.engine.brought.kinds import kind_of
from jobs.engine.brought.refused import SAVE_ANEW, NotTakenError, first_line, ran_out_of_memory
from jobs.engine.brought.task import FileKind

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MAX_CONFIG_BYTES = 64 * 1024**2
TITLES = {FileKind.KERAS: "a .keras file", FileKind.HDF5: "an .h5 file", FileKind.SAVED_MODEL: "a SavedModel"}


def read(path: Path, scratch: Path) -> tuple[Any, FileKind]:
    """The model in the file at `path`, and what kind of file it was. NotTakenError says why it is not taken.

    `scratch` is a folder to work in.
    """
    kind = kind_of(path)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=scratch) as folder:
        return _READERS[kind](path, Path(folder)), kind


def _keras(path: Path, folder: Path) -> Any:
    """A .keras file: its description and its weights are looked at before Keras builds it."""
    archive.check_whole(path)
    with zipfile.ZipFile(path) as file:
        if file.getinfo(CONFIG).file_size > MAX_CONFIG_BYTES:
            raise NotTakenError(f"The network's description is far too long. {SAVE_ANEW}")
        described = _json(file.read(CONFIG))
        if METADATA in file.namelist() and _version(_json(file.read(METADATA))).startswith("2."):
            raise NotTakenError(
                "Keras 2 wrote this .keras file, in a form that Keras 3 cannot read. Save it there as .h5, "
                "model.save('model.h5'), and bring that file."
            )
        weights = Path(file.extract(WEIGHTS, folder))
    config.check(described)
    hdf5.check_weights(weights)
    weights.unlink()
    # By this name Keras takes it for what it is.
    return _loaded(Path(shutil.copyfile(path, folder / "model.keras")))


def _version(metadata: Any) -> str:
    return str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""


def _hdf5(path: Path, folder: Path) -> Any:
    """An .h5 file, of Keras 3 or 2: what Keras 2 wrote more is left out of its description."""
    import h5py

    described = hdf5.read_config(path)
    config.check(described)
    copy = Path(shutil.copyfile(path, folder / "model.h5"))
    copy.chmod(0o600)
    with h5py.File(copy, "r+") as file:
        file.attrs[hdf5.CONFIG] = json.dumps(config.upgraded(described))
    return _loaded(copy)


def _saved_model(path: Path, folder: Path) -> Any:
    """A zip of a SavedModel folder: the graph that its signature runs, as layers of Keras's."""
    archive.unpack(path, folder, saved_model.place_of(archive.entries_of(path)))
    return saved_model.read(folder)


_READERS: dict[FileKind, Callable[[Path, Path], Any]] = {
    FileKind.KERAS: _keras,
    FileKind.HDF5: _hdf5,
    FileKind.SAVED_MODEL: _saved_model,
}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotTakenError(f"The network's description in the file cannot be read. {SAVE_ANEW}") from error


def _loaded(path: Path) -> Any:
    """What Keras makes of the file, in safe mode. Whatever it says against it, it says it for its member."""
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if ran_out_of_memory(error):
            raise MemoryError from error
        raise NotTakenError(f"Keras cannot open the file: {first_line(error)} {SAVE_ANEW}") from error
