"""What the host does at the ends of a net: floats to int8 and back, and operators on floats that it keeps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.fpga.edges import dequantised, quantised
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Value
from hardware.fpga.reference import answers
from tests.fpga.compared import LiteRT
from tests.fpga.drawn import scales, searched, zeros
from tests.fpga.files import Draft

reals = st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=40)


@searched(100)
@given(reals, scales, zeros)
def test_floats_become_steps_and_steps_floats(real: list[float], scale: float, zero: int) -> None:
    net = Draft()
    shape = (len(real),)
    source, end = net.floats(shape), net.floats(shape)
    steps = net.operator("QUANTIZE", [source], net.value(shape, scale, zero))
    content = net.content(source, net.operator("DEQUANTIZE", [steps], end))
    # Halves of steps too, which floats seldom meet.
    x = np.array([real, (np.round(np.array(real)) + 0.5) * scale], np.float32)
    theirs = LiteRT(content).run(x, [steps, end])
    value = Value(steps, "", shape, scale, zero)
    assert np.array_equal(quantised(x, value), theirs[steps])
    assert np.array_equal(dequantised(theirs[steps], value), theirs[end])


def test_operators_on_floats_are_named_for_the_host() -> None:
    net = Draft()
    source = net.operator("RELU", [net.floats((6,))], net.floats((6,)))
    first = net.operator("QUANTIZE", [source], net.value((6,), 0.1, -3))
    last = net.operator("RELU", [first], net.value((6,), 0.05, -128))
    real = net.operator("DEQUANTIZE", [last], net.floats((6,)))
    content = net.content(0, net.operator("RELU6", [real], net.floats((6,))))
    graph = read_graph(content)
    assert (graph.host.before, graph.host.after) == (("RELU",), ("RELU6",))
    assert (graph.host.quantises, graph.host.dequantises, graph.host.softmax) == (True, True, None)
    assert (graph.input, graph.output, len(graph.layers)) == (first, last, 1)
    x = np.random.default_rng(0).normal(0, 5, (20, 6)).astype(np.float32)
    theirs = LiteRT(content).run(x, [first, last])
    assert np.array_equal(answers(graph, theirs[first]), theirs[last])


def test_no_vectors_have_no_answers() -> None:
    net = Draft()
    source = net.value((4,), 0.1, 0)
    graph = read_graph(net.content(source, net.operator("RELU", [source], net.value((4,), 0.1, 0))))
    assert answers(graph, np.empty((0, 4), np.int8)).shape == (0, 4)
    many = np.arange(-128, 128).repeat(4).reshape(-1, 4).astype(np.int8)
    assert np.array_equal(answers(graph, many), np.maximum(many, 0))
