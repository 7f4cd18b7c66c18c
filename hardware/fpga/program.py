"""A graph becomes an image: the program, and all that the engine's memories hold before the first input."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hardware.fpga.cycles import cycles
from hardware.fpga.emit.bytewise import elementwise, max_pool
from hardware.fpga.emit.contents import Contents
from hardware.fpga.emit.copies import concat, pad, reshape
from hardware.fpga.emit.sums import accumulate, convolution, depthwise
from hardware.fpga.engine import WORD, Engine, Memory
from hardware.fpga.errors import FitError, UnsupportedError
from hardware.fpga.image import Feed, Image, Result, Step
from hardware.fpga.ir import (
    Accumulate,
    AddTables,
    Concat,
    Convolution,
    Depthwise,
    Graph,
    Layer,
    MaxPool,
    Multiply,
    Pad,
    Rescale,
    Reshape,
    as_map,
)
from hardware.fpga.operations import WORDS, FieldError, Operation
from hardware.fpga.passes.feed_input import Fed, feed_input, unfolded
from hardware.fpga.passes.pair_points import pair_points
from hardware.fpga.plan import Plan, lowered, placed

_EMIT: dict[type[Layer], Callable[[Contents, Any], list[Operation]]] = {
    Convolution: convolution,
    Depthwise: depthwise,
    Accumulate: accumulate,
    MaxPool: max_pool,
    AddTables: elementwise,
    Multiply: elementwise,
    Rescale: elementwise,
    Concat: concat,
    Pad: pad,
    Reshape: reshape,
}


def compiled(graph: Graph, engine: Engine) -> Image:
    """From a graph as read from a file. UnsupportedError for what the engine can't do, FitError for too little room.

    Computing points in pairs takes more room: where there isn't enough, they are computed one by one.
    """
    try:
        return _compiled(graph, engine, pair_points)
    except FitError:
        return _compiled(graph, engine, lambda graph, _: graph)


def _compiled(graph: Graph, engine: Engine, pair: Callable[[Graph, Engine], Graph]) -> Image:
    fed, plan = _fed(graph, engine, pair)
    contents = Contents(engine, plan.graph, plan.memory)
    made = [(layer, operation) for layer in plan.graph.layers for operation in _operations(contents, layer)]
    if not made:
        raise _refused("NET", "", "it has no layer that computes", "a net with layers")
    program = b"".join(
        _encoded(layer, replace(operation, final=int(number == len(made))))
        for number, (layer, operation) in enumerate(made, start=1)
    )
    contents.stores[Memory.PROGRAM].put(program, len(made) * WORDS)
    _check_room(contents)
    return Image(
        engine=engine,
        needs={
            f"{memory.name.removesuffix('S').lower()}_words": words
            for memory, words in contents.needs().items()
        },
        segments=_segments(contents),
        input=_feed(contents, fed),
        output=_result(contents),
        steps=tuple(_step(contents, layer, operation) for layer, operation in made),
    )


def _operations(contents: Contents, layer: Layer) -> list[Operation]:
    emit = _EMIT.get(type(layer))
    if emit is None:
        raise _refused(
            layer.operator, layer.name, "the engine has no such layer", "a dense layer over one row of inputs"
        )
    return emit(contents, layer)


def _encoded(layer: Layer, operation: Operation) -> bytes:
    try:
        return operation.encoded()
    except FieldError as error:
        raise _refused(
            layer.operator,
            layer.name,
            f"it is too large for the engine's program: {error}",
            "smaller pictures, fewer channels or smaller windows",
        ) from error


def _check_room(contents: Contents) -> None:
    engine = contents.engine
    for memory, words in contents.needs().items():
        if words > engine.words[memory]:
            what, size = memory.name.lower(), engine.word_bytes(memory)
            raise FitError(memory=what, needs=words, has=engine.words[memory], word_bytes=size)


def _segments(contents: Contents) -> tuple[tuple[int, bytes], ...]:
    found = []
    for memory, store in contents.stores.items():
        if store.parts:
            start = memory.address(store.start * contents.engine.word_bytes(memory))
            found.append((start, b"".join(store.parts)))
    return tuple(found)


def _fed(graph: Graph, engine: Engine, pair: Callable[[Graph, Engine], Graph]) -> tuple[Fed, Plan]:
    """Unfolded, if the engine has room for that."""
    whole = feed_input(lowered(graph))
    wide = unfolded(whole, WORD)
    plan = placed(pair(wide.graph, engine), word=WORD)
    if wide is whole or plan.memory.words <= engine.activation_words:
        return wide, plan
    return whole, placed(pair(whole.graph, engine), word=WORD)


def _feed(contents: Contents, fed: Fed) -> Feed:
    value = contents.value(contents.graph.input)
    _, columns, channels = as_map(value.shape)
    return Feed(
        address=Memory.ACTIVATIONS.address(contents.address(value.number) * WORD),
        shape=fed.shape,
        columns=columns,
        channels=channels,
        stride=fed.window.strides[1],
        dilation=fed.window.dilation[1],
        before=fed.window.before[1],
        outside=fed.outside,
        table=None if fed.table is None else tuple(fed.table.tolist()),
    )


def _result(contents: Contents) -> Result:
    value = contents.value(contents.graph.output)
    height, width, channels = as_map(value.shape)
    address = Memory.ACTIVATIONS.address(contents.address(value.number) * WORD)
    return Result(address, height * width, channels, value.shape)


def _step(contents: Contents, layer: Layer, operation: Operation) -> Step:
    taken, needed = cycles(operation, contents.engine), _multiplications(contents, layer)
    return Step(layer.operator, layer.name, taken, round(needed / (taken * contents.engine.lanes), 4), needed)


def _multiplications(contents: Contents, layer: Layer) -> int:
    """What the layer needs of the array: none, if it is computed byte by byte."""
    made = contents.value(layer.output).size
    if isinstance(layer, Convolution):
        return made * int(np.prod(layer.weights.shape[1:]))
    return made * layer.window.taps if isinstance(layer, Depthwise | Accumulate) else 0


def _refused(operator: str, layer: str, reason: str, instead: str) -> UnsupportedError:
    return UnsupportedError(operator=operator, layer=layer, reason=reason, instead=instead)
