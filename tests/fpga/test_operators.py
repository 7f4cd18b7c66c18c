"""Each operator on its own, as hypothesis draws it: the reference is LiteRT's in every tensor, and the passes keep its
output.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.fpga.frontend import read_graph
from hardware.fpga.reference import run
from tests.fpga import drawn, halves
from tests.fpga.compared import LiteRT, assert_equal, assert_passes_keep, steps

VECTORS = 3


def same(content: bytes, seed: int, vectors: int = VECTORS) -> None:
    graph = read_graph(content)
    x = steps(graph.values[graph.input].shape, vectors, seed)
    ours = run(graph, x)
    assert_equal(graph, ours, LiteRT(content).run(x, list(graph.values)))
    assert_passes_keep(graph, x, ours[graph.output])


@drawn.searched(200)
@given(drawn.convolutions(depthwise=False), drawn.seeds)
def test_convolutions(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.convolutions(depthwise=True), drawn.seeds)
def test_depthwise_convolutions(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.dense(), drawn.seeds)
def test_dense_layers(content: bytes, seed: int) -> None:
    same(content, seed, vectors=8)


@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D"])
def test_one_scale_for_all_weights(name: str) -> None:
    """Its product with the input's is a double in either kind of layer."""
    same(halves.biased(name, halves.edges(halves.READ * halves.WEIGHTS / halves.MADE)), 0, vectors=1)


@drawn.searched(200)
@given(drawn.pairs("ADD"), drawn.seeds)
def test_adding(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.pairs("MUL"), drawn.seeds)
def test_multiplying(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(30)
@given(drawn.products())
def test_every_product(content: bytes) -> None:
    """LiteRT divides MUL's factor as 32-bit floats, which a few of all products show."""
    graph = read_graph(content)
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 256, 1)
    assert_equal(graph, run(graph, x), LiteRT(content).run(x, list(graph.values)))


@drawn.searched(200)
@given(drawn.pools("AVERAGE_POOL_2D"), drawn.seeds)
def test_average_pooling(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.pools("MAX_POOL_2D"), drawn.seeds)
def test_max_pooling(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.means(), drawn.seeds)
def test_means(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(st.sampled_from(["QUANTIZE", "RELU", "RELU6"]).flatmap(drawn.rescales), drawn.seeds)
def test_changes_of_scale(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.joins(), drawn.seeds)
def test_joining_and_padding(content: bytes, seed: int) -> None:
    same(content, seed)


@drawn.searched(200)
@given(drawn.softmaxes(), drawn.seeds)
def test_softmax(content: bytes, seed: int) -> None:
    graph = read_graph(content)
    x = steps(graph.values[graph.input].shape, 8, seed)
    assert_equal(graph, run(graph, x), LiteRT(content).run(x, list(graph.values)))
