"""Where an operation reads and writes: its fields of addresses, strides, rows and columns."""

from hardware.fpga.emit.contents import point_words
from hardware.fpga.ir import Output, Shape, Window, as_map

Fields = dict[str, int]
HERE = Window((1, 1))
# What is of rows, and what is so of columns.
_SIDES = (
    ("rows", "columns"),
    ("taps_down", "taps_across"),
    ("row_stride", "column_stride"),
    ("tap_row_stride", "tap_column_stride"),
    ("top", "left"),
    ("down", "across"),
    ("tap_down", "tap_across"),
    ("height", "width"),
)


def walked(address: int, shape: Shape, window: Window) -> Fields:
    """A window that goes over a map which lies at `address`."""
    height, width, channels = as_map(shape)
    words = point_words((channels,))
    line = width * words
    (up, left), (down, across) = window.before, window.strides
    return {
        "source": address - up * line - left * words,
        "row_stride": down * line,
        "column_stride": across * words,
        "tap_row_stride": window.dilation[0] * line,
        "tap_column_stride": window.dilation[1] * words,
        "top": -up,
        "left": -left,
        "down": down,
        "across": across,
        "tap_down": window.dilation[0],
        "tap_across": window.dilation[1],
        "height": height,
        "width": width,
        "taps_down": window.size[0],
        "taps_across": window.size[1],
    }


def turned(fields: Fields) -> Fields:
    """The same walk, column by column."""
    return {**fields, **{one: fields[other] for pair in _SIDES for one, other in (pair, pair[::-1])}}


def written(address: int, shape: Shape, counted: int = 0) -> Fields:
    """A whole map, point after point. `counted`: the channels of a point that the first bank writes (default: all)."""
    _, width, channels = as_map(shape)
    words = point_words((channels,))
    return {
        "out": address,
        "out_row_stride": width * words,
        "out_column_stride": words,
        "out_columns": width,
        "out_channels": counted or channels,
    }


def written_inside(address: int, whole: Shape, part: Shape, corner: tuple[int, int, int]) -> Fields:
    """A part of the map `whole`, its first byte at row, column and channel `corner`."""
    _, width, channels = as_map(whole)
    words = point_words((channels,))
    row, column, channel = corner
    return {
        "out": address + (row * width + column) * words + channel // 8,
        "out_row_stride": width * words,
        "out_column_stride": words,
        "out_columns": as_map(part)[1],
        "out_channels": as_map(part)[2],
        "lane": channel % 8,
    }


def held(out: Output) -> Fields:
    return {"zero": out.zero, "low": out.low, "high": out.high}
