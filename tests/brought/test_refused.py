"""What is not taken: each file is refused in a sentence that says why, before anything of it could run."""

import io
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.brought.conftest import TEN, exported, linear, saved, with_config, zip_of

pytestmark = pytest.mark.train
Refused = Callable[..., str]
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A harmless .keras file: four columns, three classes."""
    import keras

    layers = [
        keras.layers.Dense(5, activation="relu", name="first"),
        keras.layers.Dense(3, activation="softmax"),
    ]
    path = tmp_path_factory.mktemp("plain") / "model.keras"
    return saved(keras.Sequential([keras.Input((4,)), *layers]), path).read_bytes()


def zipped(*entries: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo("variables/variables.index")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr("saved_model.pb", b"")
        archive.writestr(entry, "/etc/passwd")
    return stream.getvalue()


def locked() -> bytes:
    content = bytearray(zipped(("saved_model.pb", b"x")))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    return bytes(content)


BOMB = zipped(("config.json", b"{}"), ("model.weights.h5", bytes(300 * 2**20)))
NO_MODELS = {
    "nothing": (b"", "is empty"),
    "a pickle": (pickle.dumps({"weights": [1, 2]}), "pickle"),
    "PyTorch": (zipped(("model/data.pkl", b"\x80\x02."), ("model/version", b"3")), "pickle"),
    "LiteRT": (b"\x1c\0\0\0TFL3" + bytes(100), "LiteRT"),
    "a web page": (b"\n<!DOCTYPE html><html><title>Sign in</title>", "web page"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "Pack the SavedModel folder as a zip"),
    "noise": (np.random.default_rng(0).bytes(4096), "not a file of Keras or TensorFlow"),
    "a zip of pictures": (zipped(("a/1.png", b"x")), "no saved_model.pb"),
    "a zip of a .keras file": (zipped(("my/model.keras", b"x")), "Bring that file itself"),
    "TensorFlow.js": (zipped(("model.json", b"{}"), ("weights.bin", b"x")), "TensorFlow.js"),
    "no weights": (zipped(("config.json", b"{}")), "no weights"),
    "a cut zip": (zipped(("saved_model.pb", bytes(9_000)))[:60], "damaged or cut off"),
    "a bomb": (BOMB, "times its size"),
    "a promise of terabytes": (zipped(*((f"variables/{n}", b"") for n in range(6_000))), "6,000 files"),
    "a way out": (zipped(("saved_model.pb", b""), ("../../etc/cron.d/x", b"x")), "leads out of its folder"),
    "from the root": (zipped(("saved_model.pb", b""), ("/etc/passwd", b"x")), "leads out of its folder"),
    "backslashes": (
        zipped(("saved_model.pb", b""), ("variables\\..\\..\\x", b"x")),
        "leads out of its folder",
    ),
    "a link": (link(), "a link in it"),
    "a password": (locked(), "locked with a password"),
    "two models": (zipped(("a/saved_model.pb", b""), ("b/saved_model.pb", b"")), "2 SavedModels"),
    "an odd graph": (zipped(("saved_model.pb", b"\xff" * 99)), "damaged"),
    "an empty graph": (zipped(("saved_model.pb", b"")), "SavedModel"),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model(name: str, refused: Refused) -> None:
    content, part = NO_MODELS[name]
    assert part in refused(content)


def layer(**changes: Any) -> Change:
    """The first dense layer's description, changed."""

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1].update(changes)

    return change


def activation(value: Any) -> Change:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"]["activation"] = value

    return change


def function(module: str, name: str) -> Change:
    return activation({"module": module, "class_name": "function", "config": name, "registered_name": name})


def nested(config: dict[str, Any]) -> Any:
    deep: Any = []
    for _ in range(250):
        deep = [deep]
    config["config"]["layers"].append(deep)


HARMFUL: dict[str, tuple[Change, str]] = {
    "a Lambda layer": (layer(class_name="Lambda", module="keras.layers"), "Lambda layer"),
    "a lambda inside": (activation({"class_name": "__lambda__", "config": {"value": "AAAA"}}), "Lambda layer"),
    "a class of somebody's": (layer(class_name="Mine", module="mine", registered_name="Mine"), "“Mine”"),
    "a registered class": (layer(class_name="Mine", registered_name="my>Mine"), "“my>Mine”"),
    "the system": (function("os", "system"), "function of its own, “system”"),
    "a fetch by Keras's own helper": (function("keras.utils", "get_file"), "“get_file”"),
    "a class of another module": (layer(class_name="Popen", module="subprocess"), "“Popen”"),
    "a part of Keras for files": (layer(class_name="FileEditor", module="keras.src.saving"), "“FileEditor”"),
    "a layer that loads a program": (layer(class_name="TFSMLayer", module="keras.layers"), "another program's code"),
    "a layer that unpickles": (layer(class_name="TorchModuleWrapper", module="keras.layers"), "another program's"),
    "a vocabulary from a file": (layer(class_name="StringLookup", module="keras.layers"), "texts or keys"),
    "Keras 2's functions": (layer(class_name="TFOpLambda", module=None), "calls TensorFlow functions"),
    "a model class of its own": (lambda config: {**config, "class_name": "MyModel"}, "a class of its own"),
    "no description": (lambda _config: {"class_name": "Sequential"}, "Keras cannot open the file"),
    "nonsense": (lambda _config: [1, 2], "a class of its own"),
    "a deep description": (nested, "far too long or too deep"),
    "a layer that cannot be": (layer(config={"units": "many"}), "Keras cannot open the file"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_what_could_run_code_is_not_built(name: str, refused: Refused, plain: bytes) -> None:
    change, part = HARMFUL[name]
    assert part in refused(with_config(plain, change))


def test_the_same_file_without_any_of_that_is_taken(take: Any, plain: bytes) -> None:
    assert take(with_config(plain, lambda _config: None), ["a", "b", "c"]).done["reason"] == "done"


def test_a_cut_file(refused: Refused, plain: bytes) -> None:
    assert "damaged or cut off" in refused(plain[: len(plain) // 2])
    damaged = bytearray(plain)
    damaged[len(plain) // 3] ^= 0xFF
    assert refused(bytes(damaged))


UNREADABLE = {
    "lambda.h5": "Lambda layer",
    "tfop.h5": "calls TensorFlow functions between its layers",
    "cnn_v3.keras": "Keras 2 wrote this .keras file",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_keras_2_wrote_and_cannot_be_read(name: str, refused: Refused, old: Path) -> None:
    assert UNREADABLE[name] in refused(old / name)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((9,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (9,))
    file.create_virtual_dataset("x", layout)


# What no HDF5 file may hold, by itself or in a .keras file.
IN_HDF5: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "an external link": (
        lambda f: f.__setitem__("there", h5py.ExternalLink("/etc/passwd", "/x")), "has links in it"
    ),
    "a loop": (lambda f: f.__setitem__("loop", h5py.SoftLink("/")), "has links in it"),
    "external values": (
        lambda f: f.create_dataset("x", (9,), "u1", external=[("/etc/passwd", 0, 9)]), "values from other files"
    ),
    "a virtual array": (virtual, "values from other files"),
    "a promise of terabytes": (lambda f: f.create_dataset("x", (2**40,), "f4", chunks=(2**16,)), "MB of weights"),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_HDF5)
def test_harmful_weights_in_a_keras_file(name: str, plain: bytes, refused: Refused, tmp_path: Path) -> None:
    change, part = IN_HDF5[name]
    with zipfile.ZipFile(io.BytesIO(plain)) as file:
        entries = {entry: file.read(entry) for entry in file.namelist()}
    (tmp_path / "weights.h5").write_bytes(entries["model.weights.h5"])
    with h5py.File(tmp_path / "weights.h5", "r+") as weights:
        change(weights)
    entries["model.weights.h5"] = (tmp_path / "weights.h5").read_bytes()
    said = refused(zipped(*entries.items()))
    assert said.startswith("The HDF5 file of weights in the .keras file")
    assert part in said


def test_weights_that_are_no_hdf5(plain: bytes, refused: Refused) -> None:
    with zipfile.ZipFile(io.BytesIO(plain)) as file:
        entries = {entry: file.read(entry) for entry in file.namelist()}
    entries["model.weights.h5"] = entries["model.weights.h5"][:900]
    assert "in the .keras file is damaged or cut off" in refused(zipped(*entries.items()))


def test_harmful_hdf5_files(refused: Refused, tmp_path: Path, old: Path) -> None:
    content = (old / "branch.h5").read_bytes()
    changes: list[tuple[Callable[[h5py.File], Any], str]] = [
        *IN_HDF5.values(),
        (lambda f: f.attrs.__delitem__("model_config"), "weights alone"),
        (lambda f: f.attrs.__setitem__("model_config", "[]"), "cannot be read"),
        (lambda f: f.attrs.__setitem__("model_config", "{"), "damaged"),
    ]
    for change, part in changes:
        path = tmp_path / "harmful.h5"
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            change(file)
        assert part in refused(path), part
    (tmp_path / "cut.h5").write_bytes(content[:5000])
    assert "damaged or cut off" in refused(tmp_path / "cut.h5")


def test_a_graph_that_reads_files(refused: Refused, tmp_path: Path) -> None:
    import tensorflow as tf

    class Spy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
        def serve(self, x: Any) -> Any:
            secret = tf.io.read_file("/etc/passwd")
            return x[:, :3] + tf.cast(tf.strings.length(secret), tf.float32)

    spy = Spy()
    tf.saved_model.save(spy, str(tmp_path / "spy"), signatures=spy.serve)
    assert "“ReadFile”, which is not run here" in refused(zip_of(tmp_path / "spy"))


def test_a_graph_of_operations_without_a_layer(refused: Refused, tmp_path: Path) -> None:
    import keras

    row = keras.Input((4,))
    model = keras.Model(row, keras.ops.cumsum(row, axis=1)[:, :3])
    assert "cannot be turned into a layer" in refused(exported(model, tmp_path / "packed"))


def models() -> dict[str, tuple[Any, list[str], str]]:
    import keras
    from keras import layers

    row, other = keras.Input((4,)), keras.Input((4,))
    classes = layers.Dense(3, activation="softmax")
    three = ["a", "b", "c"]

    def of(shape: tuple[int | None, ...], **more: Any) -> Any:
        return keras.Sequential([keras.Input(shape, **more), layers.Flatten() if None not in shape else
                                 layers.GlobalAveragePooling2D(), layers.Dense(3)])  # fmt: skip

    return {
        "2 inputs": (keras.Model([row, other], classes(layers.Add()([row, other]))), three, "has 2 inputs"),
        "2 outputs": (keras.Model(row, [classes(row), layers.Dense(1)(row)]), three, "has 2 outputs"),
        "no fixed size": (of((None, None, 3)), three, "no fixed size: (?, ?, 3)"),
        "channels first": (of((3, 32, 32)), three, "(3, 32, 32)"),
        "two dimensions": (of((32, 32)), three, "(32, 32)"),
        "two channels": (of((8, 8, 2)), three, "(8, 8, 2)"),
        "a huge picture": (of((2000, 8, 1)), three, "at most 1024 pixels"),
        "a fixed batch": (
            keras.Sequential([keras.Input(batch_shape=(16, 4)), layers.Dense(3)]), three, "exactly 16 at a time"
        ),
        "maps as answers": (keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 3)]), three, "(6, 6, 3)"),
        "never built": (keras.Sequential([layers.Dense(3)]), three, "begin it with keras.Input"),
        "too few labels": (keras.Model(row, classes(row)), ["a", "b"], "3 outputs and there are 2 labels"),
        "too many labels": (keras.Model(row, classes(row)), TEN, "3 outputs and there are 10 labels"),
        "one label": (keras.Model(row, layers.Dense(1)(row)), ["a"], "nothing to tell apart"),
        "no labels": (keras.Model(row, classes(row)), [], "Without labels a model foretells one number"),
        "no labels of pictures": (keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(1)]), [],
                                  "name them"),
        "no numbers": (with_nan(keras.Sequential([keras.Input((4,)), layers.Dense(3)])), three, "no numbers"),
    }  # fmt: skip


def with_nan(model: Any) -> Any:
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    return model


def test_what_does_not_fit(refused: Refused, tmp_path: Path) -> None:
    for name, (model, labels, part) in models().items():
        path = saved(model, tmp_path / "model.keras")
        assert part in refused(path, labels), name


def test_data_that_does_not_fit(refused: Refused, digits: Path, iris: Path, tmp_path: Path) -> None:
    import keras

    pictures = saved(linear(digits), tmp_path / "pictures.keras")
    rows = saved(keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)]), tmp_path / "rows.keras")
    assert "takes pictures, and the dataset holds a table's rows" in refused(pictures, TEN, iris)
    assert "rows of 7 columns, and the dataset has 4" in refused(rows, ["a", "b", "c"], iris)
    said = refused(pictures, [*TEN[:9], "ten"], digits)
    assert "no label is named “9”; the dataset has no class “ten”" in said
    assert "so the model needs their names" in refused(pictures, [], digits)
