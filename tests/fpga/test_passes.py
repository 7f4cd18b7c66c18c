"""What each pass leaves of a graph, beside an equal output; what memory and order promise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import (
    Accumulate,
    Convolution,
    Dense,
    Graph,
    Layer,
    MaxPool,
    Once,
    Pad,
    Rescale,
    Reshape,
    Summing,
)
from hardware.fpga.memory import words_of
from hardware.fpga.passes.allocate_memory import allocate_memory
from hardware.fpga.passes.fold_zero_points import fold_zero_points
from hardware.fpga.passes.fuse_activations import fuse_activations
from hardware.fpga.passes.fuse_padding import fuse_padding
from hardware.fpga.passes.lower_dense import lower_dense
from hardware.fpga.passes.lower_pooling import lower_pooling
from hardware.fpga.passes.lower_rounding import lower_rounding
from hardware.fpga.passes.order_layers import order_layers, peak
from hardware.fpga.reference import run
from tests.fpga.compared import WORD, LiteRT, assert_equal, assert_memory_holds, assert_passes_keep, steps
from tests.fpga.drawn import searched, seeds
from tests.fpga.files import ACTIVATIONS, PADDINGS, Draft


class Net(Draft):
    """Layers one after the other, of one scale where that is all the same."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.chance = np.random.default_rng(seed)

    def convolution(
        self, source: int, read: tuple[int, int, int], units: int, *, size: int = 3, padding: str = "same"
    ) -> int:
        less = size - 1 if padding == "valid" else 0
        weights = self.chance.integers(-127, 128, (units, size, size, read[2])).astype(np.int8)
        bias = self.constant(self.chance.integers(-9000, 9000, units).astype(np.int32), [0.0005])
        out = self.value((read[0] - less, read[1] - less, units), 0.1, -7)
        return self.operator(
            "CONV_2D", [source, self.constant(weights, [0.01]), bias], out, "Conv2DOptions",
            strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1, padding=PADDINGS[padding],
        )  # fmt: skip

    def pad(self, source: int, made: tuple[int, int, int], widths: list[tuple[int, int]]) -> int:
        at = self.constant(np.array([(0, 0), *widths], np.int32))
        of = self.graph.tensors[source].quantization
        return self.operator("PAD", [source, at], self.value(made, of.scale[0], of.zeroPoint[0]))


def kinds(graph: Graph) -> list[type[Layer]]:
    return [type(layer) for layer in graph.layers]


def checked(content: bytes) -> Graph:
    """Read, equal to LiteRT in every tensor, its output kept by every pass."""
    graph = read_graph(content)
    x = steps(graph.values[graph.input].shape, 5, 3)
    ours = run(graph, x)
    assert_equal(graph, ours, LiteRT(content).run(x, list(graph.values)))
    assert_passes_keep(graph, x, ours[graph.output])
    return graph


def test_padding_becomes_the_convolutions_own_where_it_alone_reads_it() -> None:
    net = Net()
    source = net.value((6, 5, 3), 0.05, 11)
    wide = net.pad(source, (9, 9, 3), [(1, 2), (3, 1), (0, 0)])
    out = net.convolution(wide, (9, 9, 3), 4, padding="valid")
    fused = fuse_padding(checked(net.content(source, out)))
    (layer,) = fused.layers
    assert isinstance(layer, Convolution)
    assert (layer.window.before, layer.window.after) == ((1, 3), (2, 1))
    assert wide not in fused.values


def test_padding_of_channels_and_padding_read_twice_stay() -> None:
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    wide = net.pad(source, (4, 4, 5), [(0, 0), (0, 0), (1, 1)])
    out = net.convolution(wide, (4, 4, 5), 4)
    assert kinds(fuse_padding(checked(net.content(source, out)))) == [Pad, Convolution]
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    wide = net.pad(source, (6, 6, 3), [(1, 1), (1, 1), (0, 0)])
    parts = [net.convolution(wide, (6, 6, 3), 4, padding="valid") for _ in range(2)]
    out = net.operator("ADD", parts, net.value((4, 4, 4), 0.2, 3), "AddOptions")
    assert Pad in kinds(fuse_padding(checked(net.content(source, out))))


def test_an_activation_becomes_the_range_of_what_it_follows() -> None:
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    made = net.convolution(source, (4, 4, 3), 4)
    out = net.operator("RELU6", [made], net.value((4, 4, 4), 0.1, -7))
    (layer,) = fuse_activations(checked(net.content(source, out))).layers
    assert isinstance(layer, Convolution)
    assert (layer.out.low, layer.out.high, layer.output) == (-7, 53, out)


def test_an_activation_with_a_scale_of_its_own_stays() -> None:
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    made = net.convolution(source, (4, 4, 3), 4)
    out = net.operator("RELU", [made], net.value((4, 4, 4), 0.07, -128))
    assert kinds(fuse_activations(checked(net.content(source, out)))) == [Convolution, Rescale]


def test_two_activations_hold_what_both_leave() -> None:
    net = Net()
    source = net.value((8, 8, 2), 0.1, -90)
    pooled = net.operator(
        "MAX_POOL_2D", [source], net.value((4, 4, 2), 0.1, -90), "Pool2DOptions", filterHeight=2, filterWidth=2,
        strideH=2, strideW=2, padding=PADDINGS["valid"], fusedActivationFunction=ACTIVATIONS["relu_n1_to_1"],
    )  # fmt: skip
    out = net.operator("RELU", [pooled], net.value((4, 4, 2), 0.1, -90))
    (layer,) = fuse_activations(checked(net.content(source, out))).layers
    assert isinstance(layer, MaxPool)
    assert (layer.out.low, layer.out.high) == (-90, -80)


def test_zero_points_are_gone_from_sums() -> None:
    net = Net()
    source = net.value((4, 4, 3), 0.05, 11)
    graph = checked(net.content(source, net.convolution(source, (4, 4, 3), 4)))
    (before,), (after,) = graph.layers, fold_zero_points(graph).layers
    assert isinstance(before, Summing)
    assert isinstance(after, Summing)
    assert (before.subtract, after.subtract, after.padding) == (11, 0, 11)
    assert not np.array_equal(before.bias, after.bias)


def test_average_pooling_has_a_factor_for_each_count() -> None:
    net = Net()
    source = net.value((5, 7, 3), 0.05, 11)
    out = net.operator(
        "AVERAGE_POOL_2D", [source], net.value((5, 7, 3), 0.05, 11), "Pool2DOptions", filterHeight=3,
        filterWidth=3, strideH=1, strideW=1, padding=PADDINGS["same"],
    )  # fmt: skip
    (layer,) = lower_pooling(checked(net.content(source, out))).layers
    assert isinstance(layer, Accumulate)
    assert sorted(layer.scalings) == [4, 6, 9]
    assert all(isinstance(scaling, Once) for scaling in layer.scalings.values())


def flattened(depth: int) -> Graph:
    net = Net()
    source = net.value((3, 2, depth), 0.05, 11)
    flat = net.operator(
        "RESHAPE",
        [source, net.constant(np.array([1, 6 * depth], np.int32))],
        net.value((6 * depth,), 0.05, 11),
    )
    weights = net.chance.integers(-127, 128, (5, 6 * depth)).astype(np.int8)
    out = net.value((5,), 0.2, 0)
    net.operator("FULLY_CONNECTED", [flat, net.constant(weights, [0.01])], out, "FullyConnectedOptions")
    return checked(net.content(source, out))


def test_a_dense_layer_reads_the_map_before_it_was_flattened() -> None:
    graph = flattened(3)
    assert kinds(graph) == [Reshape, Dense]
    (layer,) = lower_rounding(lower_dense(graph)).layers
    assert isinstance(layer, Convolution)
    assert (layer.inputs, layer.window.size) == ((graph.input,), (3, 2))
    assert isinstance(layer.scaling, Once)


def test_a_reshape_shares_its_place_where_every_byte_stays() -> None:
    apart, shared = flattened(3), flattened(8)
    for graph, same in ((apart, False), (shared, True)):
        memory = allocate_memory(graph, WORD)
        made = graph.layers[0]
        assert (memory.addresses[made.inputs[0]] == memory.addresses[made.output]) == same
        x = steps(graph.values[graph.input].shape, 2, 1)
        assert_memory_holds(graph, memory, x, run(graph, x)[graph.output])


def branched(order: list[int], depths: list[int], seed: int) -> Graph:
    """Branches of two convolutions each, the first ones in `order` ahead of all others; joined at the end."""
    net = Net(seed)
    source = net.value((4, 4, 3), 0.05, 11)
    wide: dict[int, int] = {}
    for at in order:
        wide[at] = net.convolution(source, (4, 4, 3), depths[at], size=1)
    thin = [net.convolution(wide[at], (4, 4, depths[at]), 2, size=1) for at in sorted(wide)]
    joined = net.value((4, 4, 2 * len(thin)), 0.1, -7)
    net.operator("CONCATENATION", thin, joined, "ConcatenationOptions", axis=3)
    return read_graph(net.content(source, joined))


def test_branches_run_one_after_the_other() -> None:
    graph = branched([0, 1, 2], [64, 64, 64], 0)
    ordered = order_layers(graph, WORD)
    assert peak(ordered, WORD) < peak(graph, WORD)
    x = steps(graph.values[graph.input].shape, 3, 1)
    assert np.array_equal(run(ordered, x)[graph.output], run(graph, x)[graph.output])


@searched(40)
@given(st.permutations(range(4)), st.lists(st.integers(1, 40), min_size=4, max_size=4), seeds)
def test_what_lives_at_once_never_overlaps(order: list[int], depths: list[int], seed: int) -> None:
    graph = branched(order, depths, seed)
    for each in (graph, order_layers(graph, WORD)):
        memory = allocate_memory(each, WORD)
        assert max(memory.addresses[n] + words_of(v, WORD) for n, v in each.values.items()) == memory.words
        assert peak(each, WORD) <= memory.words
        x = steps(graph.values[graph.input].shape, 2, seed)
        assert_memory_holds(each, memory, x, run(each, x)[each.output])


def test_sides_and_channels_of_512() -> None:
    net = Net()
    source = net.value((2, 512, 3), 0.05, 11)
    wide = net.convolution(source, (2, 512, 3), 512, size=1)
    graph = checked(net.content(source, net.convolution(wide, (2, 512, 512), 2, size=1)))
    assert [graph.values[number].shape for number in (wide, graph.output)] == [(2, 512, 512), (2, 512, 2)]
