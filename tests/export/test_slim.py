"""Files without what no runtime reads: the same model to the bit, in fewer bytes, laid out as the schema asks."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from jobs.engine.export.convert import Converter, guarded
from jobs.engine.export.graph import inspect
from jobs.engine.export.measure import Runner
from jobs.engine.export.microcontroller.tflm import Micro
from jobs.engine.export.slim import ALIGNMENT, slim
from tests.export.conftest import Built

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def raw(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The digits' files as the converter writes them."""
    import tensorflow as tf

    from jobs.engine.export.convert import keras_file

    samples = np.random.default_rng(0).uniform(0, 255, (20, 8, 8, 1)).astype(np.float32)
    with Converter(
        keras_file(digits.home / "model.keras"), (8, 8, 1), tmp_path_factory.mktemp("raw")
    ) as converter:
        throughout = converter._quantising(samples)
        throughout.inference_input_type = throughout.inference_output_type = tf.int8
        asked = {
            "fp32": converter._converter(), "int8": converter._quantising(samples),
            "wide": converter._quantising(samples, wide=True), "throughout": throughout,
        }  # fmt: skip
        return {name: guarded(lambda each=each: bytes(each.convert())) for name, each in asked.items()}


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("name", ["fp32", "int8", "wide"])
def test_it_answers_the_very_same(raw: dict[str, bytes], name: str, reference: bool) -> None:
    x = np.random.default_rng(1).integers(0, 256, (64, 8, 8, 1))
    before, after = (Runner(each, reference=reference)(x) for each in (raw[name], slim(raw[name])))
    np.testing.assert_array_equal(before, after)


def test_a_microcontroller_answers_the_very_same_in_the_same_memory(raw: dict[str, bytes]) -> None:
    x = np.random.default_rng(1).integers(-128, 128, (64, 8, 8, 1)).astype(np.int8)
    before, after = (Micro(each) for each in (raw["throughout"], slim(raw["throughout"])))
    np.testing.assert_array_equal(before.raw(x), after.raw(x))
    assert before.arena_bytes() == after.arena_bytes()


@pytest.mark.parametrize("name", ["fp32", "int8", "wide", "throughout"])
def test_it_is_smaller_and_says_of_itself_the_same(raw: dict[str, bytes], name: str) -> None:
    found = slim(raw[name])
    assert len(raw[name]) - len(found) > 2000
    assert inspect(found) == inspect(raw[name])
    assert inspect(found).minimum_runtime
    assert slim(found) == found
    before, after = (schema.ModelT.InitFromPackedBuf(each, 0) for each in (raw[name], found))
    assert [each.signatureKey for each in before.signatureDefs] == [
        each.signatureKey for each in after.signatureDefs
    ]
    for one, other in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True):
        assert_alike(one, other, "name", "quantization")
        if one.quantization is not None:
            assert_alike(one.quantization, other.quantization)


def assert_alike(one: Any, other: Any, *but: str) -> None:
    for key, value in vars(one).items():
        if key not in but and value is not None:
            np.testing.assert_array_equal(value, getattr(other, key))


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_weights_lie_where_kernels_may_read_them(raw: dict[str, bytes], name: str) -> None:
    found = slim(raw[name])
    model = schema.Model.GetRootAs(found, 0)
    vectors = [_start(model.Buffers(number)) for number in range(model.BuffersLength())]
    assert sum(start > 0 for start in vectors) > 10
    assert [start for start in vectors if start % ALIGNMENT] == []


def _start(buffer: Any) -> int:
    """Where the bytes of a buffer begin in the file; 0 for an empty one."""
    offset = buffer._tab.Offset(4)
    return int(buffer._tab.Vector(offset)) if offset else 0


def test_layers_keep_a_name(digits: Built) -> None:
    graph = schema.ModelT.InitFromPackedBuf((digits.bundle / "model.tflite").read_bytes(), 0).subgraphs[0]
    made = {int(number) for operator in graph.operators for number in operator.outputs}
    assert all(graph.tensors[number].name for number in made)
    assert not any(
        each.name for number, each in enumerate(graph.tensors) if number not in {*made, *graph.inputs}
    )
