"""What the fast kernels of a board's library take of the arena, beside the tensors, while a convolution runs.

CMSIS-NN: arm_convolve_wrapper_s8_get_buffer_size and arm_depthwise_conv_wrapper_s8_get_buffer_size in
Source/ConvolutionFunctions/arm_*_get_buffer_sizes_s8.c, for cores with DSP instructions and none for vectors.

ESP-NN for the ESP32-S3: esp_nn_get_conv_scratch_size_esp32s3 and esp_nn_get_depthwise_conv_scratch_size_esp32s3 in
src/convolution/esp_nn_*_esp32s3.c; kernels/esp_nn/*.cc of espressif/esp-tflite-micro ask the arena for so much. These
formulas changed from release to release, and ESP-IDF fetches the newest of version 1: what is told here is the most
that any of those of 2023 to 2026 asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.targets.profiles import KIB, Kernels

Pair = tuple[int, int]
_LANES = 16  # bytes that ESP-NN's vector instructions take at once
_MARGIN = 64  # for aligning, and for reading past an end
_PANEL = 16 * KIB  # where ESP-NN's newer kernels put the outputs of a few channels together
_LARGE_FILTERS = 24 * KIB  # from which on they do
_LARGE_COPY = 48 * KIB  # of a depthwise convolution's tensors as int16: larger ones are copied row by row
_SQUARE = (3, 3)


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One of batch 1: heights stand before widths. `sides` and `channels` are its input's, `made` and `outputs` its
    output's; `before` is the padding that stands before the input; a value has `value_bytes`, 1 for int8.
    """

    sides: Pair
    channels: int
    kernel: Pair
    strides: Pair
    before: Pair
    made: Pair
    outputs: int
    depthwise: bool = False
    value_bytes: int = 1

    @property
    def taps(self) -> int:
        """Places in its window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def pixels(self) -> int:
        return self.sides[0] * self.sides[1]


def padding_before(
    sides: tuple[int, ...],
    made: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
) -> Pair:
    """Rows and columns that TensorFlow's padding SAME puts before an input; an odd one more stands behind it."""
    total = (
        (places - 1) * step + (size - 1) * apart + 1 - side
        for side, places, size, step, apart in zip(sides, made, kernel, strides, dilation, strict=True)
    )
    rows, columns = (max(each, 0) // 2 for each in total)
    return rows, columns


def scratch_bytes(kernels: Kernels, of: Convolution) -> int:
    """Bytes of the arena that the library's kernel takes for itself."""
    return _LIBRARIES[kernels](of)


def _none(_of: Convolution) -> int:
    return 0


def _cmsis_nn(of: Convolution) -> int:
    """Two windows unfolded as int16; a depthwise one's own. That of 1 × 1 only with ARM's compiler."""
    if of.depthwise:
        return 2 * of.taps * of.channels if of.outputs == of.channels else 0
    return 4 * _up(of.taps * of.channels, 4)


def _esp_nn(of: Convolution) -> int:
    if of.value_bytes != 1:
        return 0
    if of.depthwise:
        return _esp_depthwise(of)
    plain = of.kernel == of.strides == (1, 1) and of.before == (0, 0)
    return _esp_pointwise(of) if plain else _esp_convolution(of)


def _esp_pointwise(of: Convolution) -> int:
    """The filter, the input where its channels have to be filled up, and eight pixels transposed."""
    inputs = _up(of.channels, 8)
    filled = of.pixels * inputs if of.channels % 8 else 0
    copied = filled + inputs * of.outputs + 16 * inputs
    large = of.channels * of.outputs > _LARGE_FILTERS
    panels = 24 * of.channels + (_PANEL if large else 8 * of.outputs)
    return max(copied, panels) + _MARGIN


def _esp_convolution(of: Convolution) -> int:
    """The input with its padding and the filter aligned, twice each; or windows unfolded."""
    row, window = _up(of.kernel[1] * of.channels, _LANES), _up(of.taps * of.channels, _LANES)
    filters = (of.taps * _up(of.channels, _LANES) + of.kernel[0] * row) * of.outputs
    padded = sum(_with(of, padding) for padding in (_double(of), _behind(of)))
    found = [padded + filters + 4 * of.outputs, (window + 4) * of.outputs + window + 32]
    if of.kernel == _SQUARE and of.channels % _LANES == 0 and of.outputs >= _LANES:
        found.append((16 + 24) * window + _PANEL + 32)  # sixteen windows, and a panel of them
    return max(found) + _MARGIN


def _esp_depthwise(of: Convolution) -> int:
    """Filter and input as int16, or as they are with their padding."""
    filters, inputs = of.taps * of.outputs, of.pixels * of.channels
    as_int16 = 2 * (filters + inputs)
    if of.outputs != of.channels:
        return _MARGIN + (as_int16 if of.outputs // of.channels % 4 == 0 else 0)
    if of.channels % 8:
        return _MARGIN + (_esp_filled(of, 8) if of.channels > 3 else 0)  # noqa: PLR2004 - fewer run as they are
    if of.kernel != _SQUARE:
        rows = 2 * (filters + of.kernel[0] * of.sides[1] * of.channels)
        return _MARGIN + (as_int16 if as_int16 <= _LARGE_COPY else rows)
    if of.channels % _LANES == 0:
        return _MARGIN + filters + _with(of, _double(of) if any(of.before) else _behind(of))
    return _MARGIN + max(as_int16, _esp_filled(of, _LANES))


def _esp_filled(of: Convolution, to: int) -> int:
    """With channels filled up to a multiple of `to`: filter and padded input, the output, and its factors."""
    (top, left), (bottom, right) = _double(of), _behind(of)
    padded = (of.sides[0] + top + bottom) * (of.sides[1] + left + right)
    # The kernel for multiples of 8 takes int16 and does the padding itself.
    read = padded + of.taps if to == _LANES else 2 * (of.pixels + of.taps)
    return _up(of.channels, to) * (read + of.made[0] * of.made[1] + 12)


def _double(of: Convolution) -> Pair:
    return 2 * of.before[0], 2 * of.before[1]


def _behind(of: Convolution) -> Pair:
    """Rows and columns that the last windows would read beyond an input without padding."""
    rows, columns = (
        max(0, places * step + size - 1 - side)
        for side, places, size, step in zip(of.sides, of.made, of.kernel, of.strides, strict=True)
    )
    return rows, columns


def _with(of: Convolution, padding: Pair) -> int:
    """A copy of the input with so many rows and columns more; none where there are none."""
    if not any(padding):
        return 0
    return (of.sides[0] + padding[0]) * (of.sides[1] + padding[1]) * of.channels


def _up(count: int, to: int) -> int:
    return -(-count // to) * to


_LIBRARIES: dict[Kernels, Callable[[Convolution], int]] = {
    Kernels.REFERENCE: _none,
    Kernels.CMSIS_NN: _cmsis_nn,
    Kernels.ESP_NN: _esp_nn,
}
