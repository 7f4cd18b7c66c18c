"""What a computer does around the engine: how an input goes in, the operators that stay float, floats to int8 and back,
softmax. Python 3.9 or newer and numpy. In a bundle and in Gristmill itself it is the same file.

`ends` and `feed` are those of image.json; arrays have one row for each input, (n, …).

Sources: LiteRT's reference/quantize.h and dequantize.h; reference/softmax.h on gemmlowp's fixedpoint.h
(exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1), with GetReciprocal of kernels/internal/common.h; of the
operators on floats reference/maximum_minimum.h and process_broadcast_shapes.h, ActivationFunctionWithMinMax of
kernels/internal/common.h: which of two operands a NaN leaves.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

LOWEST, HIGHEST = -128, 127
WORD = 8  # bytes of a word of the engine's activations

_ONE = (1 << 31) - 1
_QUARTER = 1 << 24  # in Q5.26
# e^(-1/4), e^(-1/2), e^-1 … e^-16 in Q0.31.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_SUM_BITS = 12  # whole bits of the sum of exponentials


def entered(ends: dict[str, Any], x: Any) -> Any:
    """What the model takes, float32 (n, …), as the engine takes it: int8 (n, …)."""
    to = ends["quantise"]
    if to is None:
        return np.asarray(x, np.int8)  # the file's own input is int8
    values = {ends["input"]: np.asarray(x, np.float32)}
    _run(ends["before"], values)
    return quantised(values[to["value"]], to["scale"], to["zero"])


def left(ends: dict[str, Any], steps: Any) -> Any:
    """What the engine answers, int8 (n, …), as the model answers: float32 (n, …), or int8 where its file does."""
    if ends["softmax"] is not None:
        steps = softmax(steps, **ends["softmax"])
    of = ends["dequantise"]
    if of is None:
        return steps
    values = {of["value"]: dequantised(steps, of["scale"], of["zero"])}
    _run(ends["after"], values)
    return values[ends["output"]]


# --- operators on floats ------------------------------------------------------------------------------------


def _run(steps: list[dict[str, Any]], values: dict[int, Any]) -> None:
    """Each step in turn; `values` by the file's numbers of tensors."""
    with np.errstate(all="ignore"):
        for step in steps:
            inputs = [values[each] if isinstance(each, int) else constant(each) for each in step["inputs"]]
            values[step["output"]] = OPERATORS[step["operator"]](step, *inputs)


def constant(said: dict[str, Any]) -> Any:
    """An input that is in the file: its type, shape and values, one after the other."""
    return np.array(said["values"], said["type"]).reshape(said["shape"])


def _bounded(step: dict[str, Any], found: Any) -> Any:
    """Within the range that an activation leaves."""
    low, high = step["bounds"]
    if low is not None:
        found = np.maximum(found, np.float32(low))
    return found if high is None else np.minimum(found, np.float32(high))


def _reshaped(step: dict[str, Any], a: Any) -> Any:
    return a.reshape(len(a), *step["shape"])


Operation = Callable[..., Any]
OPERATORS: dict[str, Operation] = {
    "ADD": lambda step, a, b: _bounded(step, a + b),
    "SUB": lambda step, a, b: _bounded(step, a - b),
    "MUL": lambda step, a, b: _bounded(step, a * b),
    "DIV": lambda step, a, b: _bounded(step, a / b),
    "MAXIMUM": lambda _, a, b: np.where(a > b, a, b),
    "MINIMUM": lambda _, a, b: np.where(a < b, a, b),
    "EQUAL": lambda _, a, b: a == b,
    "NOT_EQUAL": lambda _, a, b: a != b,
    "SELECT_V2": lambda _, which, a, b: np.where(which, a, b),
    "CAST": lambda _, a: a.astype(np.float32),
    "GATHER": lambda step, a, places: np.take(a, places, axis=step["axis"]),
    "CONCATENATION": lambda step, *parts: _bounded(step, np.concatenate(parts, axis=step["axis"])),
    "RESHAPE": _reshaped,
    "SQUEEZE": _reshaped,
    "EXPAND_DIMS": _reshaped,
    "RELU": _bounded,
    "RELU6": _bounded,
    "RELU_N1_TO_1": _bounded,
}


# --- floats to int8 and back --------------------------------------------------------------------------------


def away(real: Any) -> Any:
    """The nearest whole numbers, halves away from zero: C's round, exactly."""
    whole = np.trunc(real)
    whole += np.sign(real) * (np.abs(real - whole) >= 0.5)  # noqa: PLR2004
    return whole


def quantised(real: Any, scale: float, zero: int) -> Any:
    """Floats in steps of `scale`; the division is one of 32-bit floats, halves go away from zero."""
    steps = away(real.astype(np.float32) / np.float32(scale)) + zero
    return np.clip(steps, LOWEST, HIGHEST).astype(np.int8)


def dequantised(steps: Any, scale: float, zero: int) -> Any:
    return (scale * (steps.astype(np.float64) - zero)).astype(np.float32)


# --- softmax ------------------------------------------------------------------------------------------------


def softmax(steps: Any, multiplier: int, shift: int, lowest: int) -> Any:
    """Over the last axis, in fixed point, int8 to int8 of scale 1/256 and zero −128. `multiplier` and `shift` take a
    difference of steps to Q5.26; what lies more than −`lowest` below the greatest counts nothing.
    """
    below = steps.astype(np.int64) - steps.max(axis=-1, keepdims=True)
    counts = below >= lowest
    powers = _exponentials(multiplier, shift)[below + 255]
    sums = np.where(counts, _divided(powers, _SUM_BITS), 0).sum(axis=-1, keepdims=True)
    free = 31 - np.floor(np.log2(sums)).astype(np.int64)  # leading zeros of 32 bits
    inverse = _reciprocal((sums << free) - (1 << 31))
    steps_up = _divided(_high(inverse, powers), _SUM_BITS - free + 31 - 8)
    return np.where(counts, np.clip(steps_up + LOWEST, LOWEST, HIGHEST), LOWEST).astype(np.int8)


def _high(a: Any, b: Any) -> Any:
    """The high half of 2ab, rounded."""
    return (a * b + (1 << 30)) >> 31


def _divided(a: Any, by: Any) -> Any:
    """Over 2^by, halves away from zero; `by` is at least 1."""
    half = (np.int64(1) << np.asarray(by, np.int64)) >> 1
    return (a + half - (a < 0)) >> by


def _saturated(a: Any) -> Any:
    return np.clip(a, -(1 << 31), _ONE)


def _exponentials(multiplier: int, shift: int) -> Any:
    """e^x in Q0.31 for the differences −255 … 0."""
    x = _high(np.arange(-255, 1, dtype=np.int64) << shift, multiplier)
    part = (x & (_QUARTER - 1)) - _QUARTER
    # The Taylor series of e^t about −1/8, to the fourth power.
    t = _saturated(part << 5) + (1 << 28)
    at = 1895147668
    square = _high(t, t)
    fourth, cube = _high(square, square), _high(square, t)
    rest = _divided(_high(_divided(fourth, 2) + cube, 715827883) + square, 1)
    result = at + _high(t + rest, at)
    for bit, power in enumerate(_POWERS):
        result = np.where((part - x) & (_QUARTER << bit), _high(result, power), result)
    return np.where(x == 0, _ONE, result)


def _reciprocal(x: Any) -> Any:
    """1 / (1 + x) for 0 <= x < 1 in Q0.31, by three steps of Newton's."""
    half = (x + _ONE + 1) >> 1
    guess = 1515870810 + _high(half, -1010580540)  # 48/17 − 32/17 · half, in Q2.29
    for _ in range(3):
        guess = guess + _saturated(_high(guess, (1 << 29) - _high(half, guess)) << 2)
    return _saturated(guess << 1)


# --- in and out of the engine -------------------------------------------------------------------------------


def packed(feed: dict[str, Any], vector: Any) -> bytes:
    """One int8 input in the net's own shape as the bytes that the engine reads (`Feed` of image.py says how)."""
    height, width, depth = feed["shape"]
    source = vector.reshape(height, width, depth)
    if feed["table"] is not None:
        source = np.array(feed["table"], np.int8)[source.astype(np.int64) + 128]
    taps = feed["channels"] // depth
    at = np.arange(feed["columns"])[:, None] * feed["stride"] - feed["before"]
    at = at + np.arange(taps) * feed["dilation"]
    inside = (at >= 0) & (at < width)
    found = source[:, np.where(inside, at, 0)]  # (rows, columns, taps, depth)
    found = np.where(inside[..., None], found, np.int8(feed["outside"]))
    points = found.reshape(height * feed["columns"], feed["channels"])
    return bytes(np.pad(points, ((0, 0), (0, -feed["channels"] % WORD))).tobytes())


def unpacked(output: bytes, shape: Any) -> Any:
    """The bytes of one output that count, as int8 in the net's own shape."""
    return np.frombuffer(output, np.int8).reshape(shape)
