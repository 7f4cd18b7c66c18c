"""What the host does at the ends of a net: floats to int8 and back, and operators on floats that it keeps."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.fpga.edges import dequantised, quantised
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.floats import ends_of
from hardware.fpga.frontend import read_graph
from hardware.fpga.ir import Value
from hardware.fpga.reference import answers
from hardware.fpga.wire import ends
from tests.fpga import framed
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


numbers = st.floats(-2000, 2000, width=32) | st.just(float("nan"))
rows = st.lists(st.tuples(numbers, st.integers(-1, 3).map(float), numbers, numbers), min_size=1, max_size=8)


@searched(60)
@given(rows)
def test_a_tables_floats_are_computed_as_litert_does(drawn: list[tuple[float, ...]]) -> None:
    """Gaps, categories that are known and not, values far out: to the bit, ahead of the core and behind it."""
    content = framed.table()
    graph, said = read_graph(content), json.loads(json.dumps(ends_of(content)))
    litert = LiteRT(content)
    x = np.array(drawn, np.float32)
    theirs = litert.run(x, [graph.input, graph.output, int(litert.output["index"])])
    assert np.array_equal(ends.entered(said, x), theirs[graph.input])
    given_back = ends.left(said, answers(graph, theirs[graph.input]))
    assert given_back.dtype == np.float32
    assert np.array_equal(given_back, theirs[int(litert.output["index"])])


def test_a_classifiers_softmax_is_the_hosts() -> None:
    weights = np.random.default_rng(3).integers(-127, 128, (5, 16)).astype(np.int8)
    content = framed.classifier(weights, 4)
    graph, said, litert = read_graph(content), ends_of(content), LiteRT(content)
    x = np.random.default_rng(4).integers(0, 256, (40, 4, 4, 1)).astype(np.float32)
    end = int(litert.output["index"])
    theirs = litert.run(x, [graph.input, graph.output, end])
    assert np.array_equal(ends.entered(said, x), theirs[graph.input])
    assert np.array_equal(ends.left(said, theirs[graph.output]), theirs[end])


def test_a_net_with_int8_at_its_ends_has_none_on_floats() -> None:
    net = Draft()
    source = net.value((4,), 0.1, 0)
    said = ends_of(net.content(source, net.operator("RELU", [source], net.value((4,), 0.1, 0))))
    assert (said["before"], said["after"], said["quantise"], said["dequantise"]) == ([], [], None, None)
    steps = np.array([[-5, 0, 5, 127]], np.int8)
    assert np.array_equal(ends.entered(said, steps), steps)
    assert np.array_equal(ends.left(said, steps), steps)


def framed_by(name: str, kind: str = "", shape: tuple[int, ...] = (4,), **options: object) -> bytes:
    """An operator on floats ahead of the core."""
    net = Draft()
    source = net.floats((4,))
    inputs = [source, net.constant(np.ones((3, 1), np.float32))] if name == "ADD" else [source]
    real = net.operator(name, inputs, net.floats(shape), kind, **options)
    steps = net.operator("QUANTIZE", [real], net.value(shape, 0.1, 0))
    last = net.operator("RELU", [steps], net.value(shape, 0.1, 0))
    return net.content(source, net.operator("DEQUANTIZE", [last], net.floats(shape)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (framed_by("TANH"), "the host computes no such operator on floats"),
        (framed_by("ADD", "AddOptions"), "a constant that differs within a batch"),
        (framed_by("CONCATENATION", "ConcatenationOptions", axis=0), "joins inputs of a batch"),
    ],
)
def test_what_the_host_does_not_compute_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason) as told:
        ends_of(content)
    assert told.value.layer.startswith("t")
    assert "int8 throughout" in told.value.instead
