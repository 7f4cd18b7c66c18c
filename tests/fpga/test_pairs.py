"""Depthwise layers of two points at once: which maps lie in planes, what that saves, and that nothing else changes."""

import numpy as np
import pytest
from hypothesis import given

from hardware.fpga.engine import Engine
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Depthwise, Graph, Layout
from hardware.fpga.memory import strides, words_of
from hardware.fpga.passes.pair_points import pair_points
from hardware.fpga.plan import lowered, placed
from hardware.fpga.program import compiled
from hardware.fpga.reference import run
from tests.fpga.compared import WORD, assert_memory_holds, steps
from tests.fpga.drawn import searched, seeds, separables
from tests.fpga.files import PADDINGS
from tests.fpga.test_passes import Net

WIDE = Engine(lanes=128, weight_words=4096)
CHANNELS = 24  # a group and a half of 128 lanes


def separable(height: int, width: int, *, size: int = 1, strided: int = 1, ends: bool = False) -> Graph:
    """A depthwise convolution of 3 × 3, and (but `ends`) one that reads it."""
    net = Net()
    source = net.value((height, width, CHANNELS), 0.05, 11)
    weights = net.chance.integers(-127, 128, (1, 3, 3, CHANNELS)).astype(np.int8)
    bias = net.constant(np.zeros(CHANNELS, np.int32), [0.0005])
    made = (-(-height // strided), -(-width // strided), CHANNELS)
    wide = net.operator(
        "DEPTHWISE_CONV_2D", [source, net.constant(weights, [0.01], axis=3), bias], net.value(made, 0.1, -7),
        "DepthwiseConv2DOptions", strideH=strided, strideW=strided, dilationHFactor=1, dilationWFactor=1,
        padding=PADDINGS["same"], depthMultiplier=1,
    )  # fmt: skip
    return read_graph(net.content(source, wide if ends else net.convolution(wide, made, 5, size=size)))


def layout(graph: Graph, engine: Engine = WIDE) -> Layout:
    paired = pair_points(lowered(graph), engine)
    return next(paired.values[layer.output].layout for layer in paired.layers if isinstance(layer, Depthwise))


@pytest.mark.parametrize(
    ("sides", "wanted", "pairs"),
    [((6, 7), Layout.COLUMNS, 21), ((7, 6), Layout.ROWS, 21), ((5, 1), Layout.COLUMNS, 3)],
)
def test_points_are_paired_along_the_side_that_wastes_fewest(
    sides: tuple[int, int], wanted: Layout, pairs: int
) -> None:
    graph = separable(*sides)
    assert layout(graph) is wanted
    assert compiled(graph, WIDE).steps[0].cycles == 43 + pairs * CHANNELS // 8 * 12


def test_a_large_step_shares_too_few_taps_for_it() -> None:
    assert layout(separable(16, 16, strided=2)) is Layout.ROWS
    assert layout(separable(16, 16, strided=5)) is Layout.POINTS


def test_maps_that_others_read_and_engines_of_one_bank_have_none() -> None:
    assert layout(separable(6, 6, size=3)) is Layout.POINTS
    assert layout(separable(6, 6, ends=True)) is Layout.POINTS
    assert layout(separable(6, 6), Engine(lanes=64)) is Layout.POINTS


def test_where_pairs_have_no_room_points_are_computed_one_by_one() -> None:
    graph = separable(5, 5)
    image = compiled(graph, WIDE)
    one_by_one = placed(lowered(graph), word=WORD).memory.words
    assert image.needs["activation_words"] > one_by_one
    small = compiled(graph, Engine(lanes=128, weight_words=4096, activation_words=one_by_one))
    assert small.needs["activation_words"] == one_by_one
    assert small.steps[0].cycles == 43 + 25 * 2 * 18


def test_a_plane_has_an_even_number_of_points_in_each_line() -> None:
    graph = pair_points(lowered(separable(7, 5)), WIDE)
    value = graph.values[graph.layers[0].output]
    assert (value.layout, strides(value, WORD), words_of(value, WORD)) == (Layout.COLUMNS, (1, 8, 40), 120)


@searched(40)
@given(separables(), seeds)
def test_planes_hold_what_was_computed(content: bytes, seed: int) -> None:
    graph = read_graph(content)
    plan = placed(pair_points(lowered(graph), WIDE), word=WORD)
    x = steps(graph.values[graph.input].shape, 2, seed)
    assert_memory_holds(plan.graph, plan.memory, x, run(graph, x)[graph.output])
