from pathlib import Path

import numpy as np
import pytest

from jobs.datasets.formats.index import TableColumn
from jobs.engine.recipes.sizing.images import NetworkName
from jobs.engine.tables import learn_encoding

pytestmark = pytest.mark.train

COLUMNS: list[TableColumn] = [
    {"name": "height", "type": "number", "missing": 2},
    {"name": "colour", "type": "category", "missing": 1, "categories": ["red", "green", "blue"]},
    {"name": "always", "type": "number", "missing": 0},
    {"name": "weight", "type": "number", "missing": 0},
]
ROWS = np.array([[1.7, 0, 5, 70], [np.nan, 2, 5, 80], [1.5, -1, 5, 60], [1.9, 1, 5, 1e9]], dtype=np.float32)


def test_a_tables_model_encodes_as_the_reference_does(tmp_path: Path) -> None:
    import keras

    from jobs.engine.networks import parts, table_network

    encoding = learn_encoding(COLUMNS, ROWS[:3], np.array([1.0, 2.0, 6.0]), regression=True)
    reference = encoding.encode(ROWS)
    assert reference.shape == (4, encoding.features) == (4, 7)
    assert np.isfinite(reference).all()
    assert reference[1].tolist()[0] == 0.0, "a missing number is its mean"
    assert reference[1].tolist()[3:] == [1.0, 0.0, 0.0, 1.0], "its flag, then blue"
    assert reference[2].tolist()[4:] == [0.0, 0.0, 0.0], "an unknown category is none"
    assert reference[3, 2] == encoding.limit, "far outliers are cut"
    network = table_network(encoding, classes=None, width=8, hidden=1, dropout=0.1)
    network.full.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras", compile=False)
    pieces = parts(model)
    assert np.allclose(pieces.prepare.predict(ROWS, verbose=0), reference, atol=1e-6)
    raw = pieces.core.predict(reference, verbose=0)
    expected = raw * encoding.target_scale + encoding.target_mean
    assert np.allclose(model.predict(ROWS, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "last"), [("residual", "pool"), ("separable", "pool"), ("plain", "flatten")]
)
@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (9, 9, 3), (32, 32, 3), (49, 10, 1), (65, 65, 3), (96, 96, 3), (320, 320, 3)]
)
def test_an_image_network_fits_its_input(shape: tuple[int, int, int], kind: NetworkName, last: str) -> None:
    from jobs.engine.networks import image_network, parts

    network = image_network(shape, classes=5, width=4, dropout=0.2, network=kind)
    output = network.full(np.zeros((2, *shape), dtype=np.float32))
    assert tuple(output.shape) == (2, 5)
    assert np.allclose(np.sum(output, axis=1), 1, atol=1e-5)
    last_map = min(parts(network.full).core.get_layer(last).input.shape[1:3])
    assert 2 <= last_map <= (8 if kind != "separable" else 10)
    assert network.full.count_params() == network.raw.count_params()


def test_a_separable_network_of_keywords_is_ds_cnn() -> None:
    """Zhang et al. 2017, the small one, as MLPerf Tiny has it: 49 frames of 10 features, four blocks of 64."""
    from jobs.engine.networks import image_network, parts

    core = parts(image_network((49, 10, 1), classes=12, width=64, dropout=0.0, network="separable").full).core
    layers = {layer.name: layer for layer in core.layers}
    stem = layers["stem_convolution"]
    assert (stem.kernel_size, stem.strides, stem.output.shape) == ((10, 4), (2, 2), (None, 25, 5, 64))
    depthwise = [name for name in layers if name.endswith("_depthwise")]
    assert depthwise == [f"block{place}_depthwise" for place in range(1, 5)]
    assert {layers[name].output.shape for name in depthwise} == {(None, 25, 5, 64)}


def test_a_residual_network_of_three_stages_is_resnet_8() -> None:
    """He et al. 2016 with three blocks, as MLPerf Tiny has it; models of before were trained without a depth."""
    from jobs.engine.networks import image_network, parts

    def maps(depth: int | None) -> list[tuple[int, ...]]:
        core = parts(image_network((32, 32, 3), classes=10, width=16, dropout=0.0, depth=depth).full).core
        return [layer.output.shape[1:] for layer in core.layers if layer.name.endswith("_out")]

    assert maps(3) == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]
    assert maps(None) == [*maps(3), (4, 4, 64)]
    assert maps(8) == maps(None)


def test_a_plain_network_is_lenets_kind() -> None:
    from jobs.engine.networks import image_network, parts

    core = parts(image_network((28, 28, 1), classes=10, width=8, dropout=0.0, network="plain").full).core
    made = [layer.output.shape[1:] for layer in core.layers if layer.name.endswith(("_pool", "hidden"))]
    assert made == [(14, 14, 8), (7, 7, 16), (32,)]


def test_our_update_is_kerass_adamw() -> None:
    import keras
    import tensorflow as tf

    from jobs.engine.training.adamw import FlatAdamW
    from jobs.engine.training.rates import DECAY

    def weights() -> list[keras.Variable]:
        return [
            keras.Variable(np.linspace(-1, 1, 6).reshape(2, 3).astype("float32"), name="kernel"),
            keras.Variable(np.ones(3, dtype="float32"), name="bias"),
        ]

    ours, theirs = weights(), weights()
    flat = FlatAdamW(ours)
    adam = keras.optimizers.AdamW(0.01, weight_decay=DECAY)
    adam.exclude_from_weight_decay([theirs[1]])
    adam.build(theirs)
    chance = np.random.default_rng(0)
    for _ in range(20):
        gradients = [tf.constant(chance.normal(size=tuple(w.shape)).astype("float32")) for w in ours]
        flat.apply(gradients, 0.01)
        adam.apply(gradients, theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        assert np.allclose(mine.numpy(), reference.numpy(), atol=1e-6)


def test_keras_own_batch_methods_learn_the_same() -> None:
    """What runs under JAX, here under TensorFlow: the same network, batches and rates give the same losses."""
    import keras

    from jobs.engine.networks import image_network
    from jobs.engine.training.batches import Batch
    from jobs.engine.training.steps import KerasSteps
    from jobs.engine.training.steps_tensorflow import TensorFlowSteps

    chance = np.random.default_rng(0)
    x, y = chance.integers(0, 255, (16, 8, 8, 1), dtype=np.uint8), chance.integers(0, 3, 16)

    def losses(kind: type[KerasSteps | TensorFlowSteps]) -> list[tuple[float, float]]:
        keras.utils.set_random_seed(1)
        steps = kind(image_network((8, 8, 1), classes=3, width=4, dropout=0.0), 3)
        return steps.outcomes([steps.train(Batch(x, y), 0.01) for _ in range(6)])

    found = losses(TensorFlowSteps)
    assert np.allclose(found, losses(KerasSteps), atol=1e-3)
    assert found[-1][0] < found[0][0]
