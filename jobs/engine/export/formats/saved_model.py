"""A SavedModel: TensorFlow's own folder of a model that answers, in one zip."""

import functools
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.brought.run import outputs
from jobs.engine.export import dataless
from jobs.engine.export.formats import answers, reading
from jobs.engine.export.kinds import Added, Build

FILE, FOLDER, ENDPOINT = "saved_model.zip", "saved_model", "serve"
EPOCH = (1980, 1, 1, 0, 0, 0)
# Written anew by each saving; TensorFlow reads a SavedModel without it.
_LEFT_OUT = {"fingerprint.pb"}
_README = """\
## Go on with it in TensorFlow

`{file}` is a zip, because a bundle has no folders in it. Unpack it here:

    python3 -m zipfile -e {file} .
    python3 -m pip install numpy {tensorflow} pillow

Its signature `serving_default` (for TensorFlow Serving) and its function `{endpoint}` take float32 [batch, …] as
`manifest.json` says under `input`, and answer float32 [batch, {outputs}]. It answers, and does not train: for that,
build the bundle for Keras.

{reading}

The files of LiteRT in this folder, for boards and for `run.py`, hold the same model:"""


def add(build: Build) -> Added:
    """Write the zip, load it again from there, run that over the test split and compare it with the Keras model."""
    wanted = answers.of_keras(build)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=build.task.out) as scratch:
        _save(build, Path(scratch) / "made")
        pack(Path(scratch) / "made", build.folder / FILE)
        found = _answers(build, Path(scratch) / "again")
    off = answers.checked(build, wanted, found)
    size = (build.folder / FILE).stat().st_size
    about = {"file": FILE, **answers.measured(build, found), "max_difference": off, "model_bytes": size}
    # Kept by name: without it the variables are gone before its function is called.
    load = f'loaded = tensorflow.saved_model.load("{FOLDER}")'
    return Added(
        manifest={"formats": {"savedmodel": about}},
        summary={**about, "variant": "savedmodel", "arena_bytes": None, "ram_bytes": None},
        readme=_README.format(
            file=FILE,
            tensorflow=reading.tensorflow(),
            endpoint=ENDPOINT,
            outputs=found.shape[1],
            reading=reading.example(build, "tensorflow", load, f"loaded.{ENDPOINT}(x).numpy()"),
        ),
    )


def _save(build: Build, folder: Path) -> None:
    import keras

    archive = keras.export.ExportArchive()
    archive.track(build.model)
    shape = (None, *build.model.input_shape[1:])
    archive.add_endpoint(
        ENDPOINT,
        functools.partial(build.model.__call__, training=False),
        input_signature=[keras.InputSpec(shape=shape, dtype="float32", name="input")],
    )
    archive.write_out(str(folder), verbose=False)


def pack(folder: Path, path: Path) -> None:
    """All files below `folder` as a zip with the one folder `saved_model`, in order and without times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(
            each for each in folder.rglob("*") if each.is_file() and each.name not in _LEFT_OUT
        ):
            entry = zipfile.ZipInfo(f"{FOLDER}/{each.relative_to(folder).as_posix()}", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, each.read_bytes())


def _answers(build: Build, folder: Path) -> NDArray[np.float32]:
    """Those of the zip as it was written."""
    import tensorflow as tf

    with zipfile.ZipFile(build.folder / FILE) as archive:
        archive.extractall(folder)
    loaded: Any = tf.saved_model.load(str(folder / FOLDER))

    def serve(x: NDArray[np.float32], *, training: bool) -> Any:
        assert not training  # noqa: S101 - for whoever calls it
        return loaded.serve(x)

    return outputs(serve, dataless.subjects(build.arrays), lambda part: build.tick("packing", 0.5 + part / 2))
