"""What is compiled for the engine: images that say themselves what they are, and refusals in words."""

import numpy as np
import pytest
from hypothesis import given

from hardware.fpga.engine import Engine, Memory
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.factors import FactorError, constant_words
from hardware.fpga.frontend import read_graph
from hardware.fpga.image import ImageError, image_of
from hardware.fpga.ir import Graph, Once, Scaling, Twice
from hardware.fpga.passes.feed_input import feed_input, unfolded
from hardware.fpga.plan import lowered
from hardware.fpga.program import compiled
from hardware.fpga.reference import run
from tests.fpga import halves
from tests.fpga.compared import WORD, steps
from tests.fpga.drawn import convolutions, searched, seeds
from tests.fpga.test_passes import Net


def convolved(units: int = 5) -> Graph:
    net = Net()
    source = net.value((6, 5, 3), 0.05, 11)
    return read_graph(net.content(source, net.convolution(source, (6, 5, 3), units)))


def test_a_file_gives_the_image_that_it_was_made_of() -> None:
    image = compiled(convolved(), Engine())
    again = image_of(image.content())
    assert again == image
    assert again.content() == image.content()


@pytest.mark.parametrize("at", [20, 200, -1])
def test_a_damaged_file_is_refused(at: int) -> None:
    content = bytearray(compiled(convolved(), Engine()).content())
    content[at] ^= 1
    with pytest.raises(ImageError, match="damaged"):
        image_of(bytes(content))
    with pytest.raises(ImageError, match="no image"):
        image_of(b"TFL3" + bytes(content))


def test_what_has_no_room_is_refused_and_says_what_would_do() -> None:
    graph = convolved(40)
    with pytest.raises(UnsupportedError, match=r"its weights take 30 words of 64 bytes.* has 29"):
        compiled(graph, Engine(weight_words=29))
    image = compiled(graph, Engine(weight_words=30))
    assert image.needs["weight_words"] == 30
    assert image.fits(Engine(weight_words=30))
    assert not image.fits(Engine(weight_words=29))
    assert not image.fits(Engine(lanes=32))


def test_factors_up_to_16_have_bits_in_the_requantiser() -> None:
    below, above = (read_graph(halves.steep(0.01, factor)) for factor in (15.999, 16.001))
    assert compiled(below, Engine()).needs["constant_words"] == 8
    with pytest.raises(
        UnsupportedError, match=r"CONV_2D .*: it makes steps 16 times as large, or more. Instead: the"
    ):
        compiled(above, Engine())


@pytest.mark.parametrize(
    "scaling",
    [
        Once(np.array([5]), np.array([0])),
        Once(np.array([5]), np.array([63])),
        Twice(np.array([1 << 30]), np.array([-32])),
    ],
)
def test_shifts_that_no_requantiser_has_bits_for(scaling: Scaling) -> None:
    with pytest.raises(FactorError, match="shifts sums farther than the engine does"):
        constant_words(scaling, np.zeros(1, np.int64), 1000)


def test_engines_have_sizes_that_can_be() -> None:
    with pytest.raises(ValueError, match="lanes, not 24"):
        Engine(lanes=24)
    with pytest.raises(ValueError, match="words of tables"):
        Engine(table_words=1 << 17)


def test_segments_are_whole_words_of_their_memories() -> None:
    engine = Engine(lanes=128)
    for address, content in compiled(convolved(), engine).segments:
        assert address % 8 == 0
        assert len(content) % engine.word_bytes(Memory(address >> 20)) == 0


@searched(60)
@given(convolutions(depthwise=False), seeds)
def test_an_unfolded_input_is_the_same_convolution(content: bytes, seed: int) -> None:
    graph = lowered(read_graph(content))
    fed = unfolded(feed_input(graph), WORD)
    image = compiled(read_graph(content), Engine(activation_words=1 << 16))
    x = steps(graph.values[graph.input].shape, 3, seed)
    packed = [np.frombuffer(image.input.packed(each), np.int8) for each in x]
    shape = fed.graph.values[fed.graph.input].shape
    height, width, channels = shape
    maps = np.stack(packed).reshape(len(x), height, width, -1)
    assert not maps[..., channels:].any()
    assert np.array_equal(run(fed.graph, maps[..., :channels])[graph.output], run(graph, x)[graph.output])


def test_tables_before_the_first_layer_are_the_hosts() -> None:
    net = Net()
    source = net.value((4, 4, 2), 0.05, 11)
    scale = net.constant(np.array(77, np.int8), [0.01])
    scaled = net.operator("MUL", [source, scale], net.value((4, 4, 2), 0.04, -20), "MulOptions")
    moved = net.operator("QUANTIZE", [scaled], net.value((4, 4, 2), 0.05, 11), "QuantizeOptions")
    graph = lowered(read_graph(net.content(source, net.convolution(moved, (4, 4, 2), 3))))
    fed = feed_input(graph)
    assert len(fed.graph.layers) == 1
    assert fed.table is not None
    x = steps((4, 4, 2), 5, 1)
    assert np.array_equal(
        run(fed.graph, fed.table[x.astype(int) + 128])[graph.output], run(graph, x)[graph.output]
    )
