"""The `.keras` file: the very bytes that the training wrote."""

import shutil
from importlib import metadata

from jobs.engine.export.formats import answers, reading
from jobs.engine.export.kinds import Added, Build

FILE = "model.keras"
_README = """\
## Go on with it in Keras

`{file}` holds the network and its weights; it is made of Keras's own layers alone, and needs no code of ours.

    python3 -m pip install keras=={keras} {tensorflow} pillow

It takes float32 [batch, …] as `manifest.json` says under `input`, and answers float32 [batch, {outputs}]. To train on,
compile it as your task needs, {compile}, and call `model.fit`.

{reading}

The files of LiteRT in this folder, for boards and for `run.py`, hold the same model:"""


def add(build: Build) -> Added:
    """Copy the file and measure it; it was loaded from those bytes."""
    shutil.copyfile(build.task.model, build.folder / FILE)
    found = answers.of_keras(build)
    about = {
        "file": FILE,
        **answers.measured(build, found),
        "model_bytes": (build.folder / FILE).stat().st_size,
    }
    return Added(
        manifest={"formats": {"keras": about}},
        summary={**about, "variant": "keras", "arena_bytes": None, "ram_bytes": None},
        readme=_README.format(
            file=FILE,
            keras=metadata.version("keras"),
            tensorflow=reading.tensorflow(),
            outputs=found.shape[1],
            compile=_compile(build),
            reading=reading.example(
                build, "keras", f'model = keras.models.load_model("{FILE}")', "model.predict(x, verbose=0)"
            ),
        ),
    )


def _compile(build: Build) -> str:
    if build.arrays.labels:
        return '`model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])`'
    return '`model.compile("adam", "mse")`'
