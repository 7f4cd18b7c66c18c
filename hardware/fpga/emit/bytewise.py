"""Layers that are computed byte by byte: the greatest of a window, sums by tables, products, changes of scale."""

from dataclasses import replace

import numpy as np

from hardware.fpga.emit.contents import TABLE, Contents, point_words
from hardware.fpga.emit.geometry import HERE, Fields, held, walked, written
from hardware.fpga.engine import WORD
from hardware.fpga.errors import UnsupportedError
from hardware.fpga.factors import UNCHANGED, constant_words
from hardware.fpga.ir import (
    LOWEST,
    AddTables,
    Int8s,
    Integers,
    Layer,
    MaxPool,
    Multiply,
    Rescale,
    Shape,
    as_map,
    map_after,
)
from hardware.fpga.operations import By, Function, Operation, operation
from hardware.fpga.tables import table_of

_PRODUCT = 255 * 255


def max_pool(contents: Contents, layer: MaxPool) -> list[Operation]:
    source = contents.value(layer.inputs[0])
    map_ = map_after(source.shape, layer.window, as_map(source.shape)[2])
    fields = {
        "function": Function.GREATEST,
        "fill": LOWEST,
        "advance": 1,
        **walked(contents.address(source.number), source.shape, layer.window),
        **written(contents.address(layer.output), map_),
        **held(replace(layer.out, zero=0)),
    }
    return [bytewise(contents, map_, fields)]


def elementwise(contents: Contents, layer: AddTables | Multiply | Rescale) -> list[Operation]:
    """A layer that is a table of what it makes of each byte, or one of two operands."""
    out = contents.value(layer.output)
    if (table := table_of(layer, out)) is not None:
        return [_by_table(contents, layer, table)]
    shape = as_map(out.shape)
    if isinstance(layer, AddTables):
        constant, tables, reach = _added(layer)
        function = {"function": Function.TABLES, "tables": contents.tables(*tables)}
    elif isinstance(layer, Multiply):
        constant, reach = layer.constant, _PRODUCT
        function = {"function": Function.PRODUCT, "zero_a": layer.zeros[0], "zero_b": layer.zeros[1]}
    else:
        raise TypeError(layer)
    fields = {
        **function,
        **_first_operand(contents, layer, shape),
        **_second_operand(contents, layer, shape, constant),
        **written(contents.address(layer.output), shape),
        **held(layer.out),
    }
    constants = contents.constants(layer, layer.scaling, np.zeros(1, np.int64), reach, By.ONE)
    return [bytewise(contents, shape, fields, constants)]


def bytewise(contents: Contents, shape: Shape, fields: Fields, constants: int | None = None) -> Operation:
    """An operation over all words of a map of this shape. Without `constants`, sums stay what they are."""
    rows, columns, channels = shape
    groups = point_words(shape)
    if constants is None:
        constants = contents.put_constants(constant_words(UNCHANGED, np.zeros(1, np.int64), 0), By.ONE)
    named = {"constants": constants, "low": LOWEST, "high": -LOWEST - 1, **fields}
    return operation(
        bytewise=1,
        rows=rows,
        columns=columns,
        groups=groups,
        first_valid=channels - WORD * (groups - 1),
        **named,
    )


def _by_table(contents: Contents, layer: Layer, table: Int8s) -> Operation:
    shape = as_map(contents.value(layer.output).shape)
    entries = table.astype(np.int64)
    fields = {
        "function": Function.TABLES,
        "tables": contents.tables(entries, np.zeros_like(entries)),
        **_first_operand(contents, layer, shape),
        **written(contents.address(layer.output), shape),
    }
    return bytewise(contents, shape, fields)


def _added(layer: AddTables) -> tuple[Int8s | None, tuple[Integers, Integers], int]:
    """The constant operand as bytes, whose table is what they stand for; both tables; how far sums go."""
    first = layer.tables[0]
    constant, second = None, layer.tables[-1]
    if layer.constant is not None:
        entries, places = np.unique(layer.constant, return_inverse=True)
        constant = (places.reshape(layer.constant.shape) + LOWEST).astype(np.int8)
        second = np.pad(entries, (0, TABLE - len(entries)))
    reach = int(np.abs(first).max() + np.abs(second).max())
    return constant, (first, second), reach


def _first_operand(contents: Contents, layer: Layer, shape: Shape) -> Fields:
    value = contents.value(layer.inputs[0])
    read = as_map(value.shape)
    strides = _strides(layer, read, shape)
    fields = walked(contents.address(value.number), value.shape, HERE)
    return {
        **fields,
        "row_stride": strides[0],
        "column_stride": strides[1],
        "down": int(read[0] == shape[0]),
        "across": int(read[1] == shape[1]),
        "advance": strides[2],
        "still_a": 1 - strides[2],
    }


def _second_operand(contents: Contents, layer: Layer, shape: Shape, constant: Int8s | None) -> Fields:
    if constant is None:
        value = contents.value(layer.inputs[1])
        read, address = as_map(value.shape), contents.address(value.number)
    else:
        read = as_map(constant.shape)
        address = contents.activations(constant.reshape(read))
    strides = _strides(layer, read, shape)
    return {
        "b": 1,
        "b_source": address,
        "b_row_stride": strides[0],
        "b_column_stride": strides[1],
        "b_step": strides[2],
        "still_b": 1 - strides[2],
    }


def _strides(layer: Layer, read: Shape, shape: Shape) -> tuple[int, int, int]:
    """From row to row, point to point, word to word; zero where one stands for all."""
    for side, whole in zip(read, shape, strict=True):
        if side not in {1, whole}:
            raise UnsupportedError(
                operator=layer.operator,
                layer=layer.name,
                reason=f"an operand of shape {read} doesn't spread over {shape}",
                instead="operands of one shape, or of one row, column or channel",
            )
    words = point_words(read)
    down = 0 if read[0] == 1 < shape[0] else read[1] * words
    across = 0 if read[1] == 1 < shape[1] else words
    return down, across, int(not read[2] == 1 < shape[2])
