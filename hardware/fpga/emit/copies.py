"""Layers that only move bytes: joining, padding, reshaping."""

from hardware.fpga.emit.bytewise import bytewise
from hardware.fpga.emit.contents import Contents
from hardware.fpga.emit.geometry import HERE, walked, written, written_inside
from hardware.fpga.ir import Concat, Layer, Pad, Pair, Reshape, Value, Window, as_map, map_after
from hardware.fpga.operations import Operation


def concat(contents: Contents, layer: Concat) -> list[Operation]:
    """Each input is copied to its part of the output."""
    out = contents.value(layer.output)
    axis = layer.axis + 3 - len(out.shape)
    copies, corner = [], [0, 0, 0]
    for number in layer.inputs:
        value = contents.value(number)
        copies.append(_copied_into(contents, layer, value, (corner[0], corner[1], corner[2])))
        corner[axis] += as_map(value.shape)[axis]
    return copies


def pad(contents: Contents, layer: Pad) -> list[Operation]:
    """Rows and columns as a window's padding. With channels, the whole is filled, then the input copied into it."""
    source = contents.value(layer.inputs[0])
    missing: tuple[Pair, ...] = ((0, 0),) * (3 - len(layer.widths))
    rows, columns, channels = (*missing, *layer.widths)
    if channels == (0, 0):
        window = Window((1, 1), before=(rows[0], columns[0]), after=(rows[1], columns[1]))
        return [_copied(contents, layer, source, window)]
    whole = as_map(contents.value(layer.output).shape)
    nowhere = {**walked(contents.address(source.number), source.shape, HERE), "height": 0, "width": 0}
    fields = {**nowhere, "fill": layer.value, **written(contents.address(layer.output), whole)}
    corner = (rows[0], columns[0], channels[0])
    return [bytewise(contents, whole, fields), _copied_into(contents, layer, source, corner)]


def reshape(contents: Contents, layer: Reshape) -> list[Operation]:
    """Nothing to do where both share a place."""
    source, out = contents.value(layer.inputs[0]), contents.value(layer.output)
    if contents.address(source.number) == contents.address(out.number):
        return []
    return [_copied(contents, layer, source, HERE)]


def _copied(contents: Contents, layer: Pad | Reshape, source: Value, window: Window) -> Operation:
    fields = {
        "advance": 1,
        "fill": layer.value if isinstance(layer, Pad) else 0,
        **walked(contents.address(source.number), source.shape, window),
        **written(contents.address(layer.output), contents.value(layer.output).shape),
    }
    map_ = map_after(source.shape, window, as_map(source.shape)[2])
    return bytewise(contents, map_, fields)


def _copied_into(contents: Contents, layer: Layer, source: Value, corner: tuple[int, int, int]) -> Operation:
    shape, whole = as_map(source.shape), contents.value(layer.output).shape
    fields = {
        "advance": 1,
        **walked(contents.address(source.number), source.shape, HERE),
        **written_inside(contents.address(layer.output), whole, shape, corner),
    }
    return bytewise(contents, shape, fields)
