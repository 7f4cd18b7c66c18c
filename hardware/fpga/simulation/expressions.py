"""Cells that are look-up tables, as expressions of their inputs.

A table that is written with conditions, as yosys' models have it, becomes jumps in the program that Verilator makes,
which no processor foresees; as an expression it is a few operations on bits.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

CELLS = frozenset({"LUT1", "LUT2", "LUT3", "LUT4", "SB_LUT4", "CCU2C"})
"""Those that need no model."""

Wire = Callable[[str], str]
"""The Verilog of what is attached to a port; "" for an output that goes nowhere."""


def statements(number: int, cell: Mapping[str, Any], wire: Wire) -> list[str]:
    """Verilog that does what a cell of CELLS does, with names of its own that end in `number`."""
    return _carry(number, cell, wire) if cell["type"] == "CCU2C" else _table(cell, wire)


def table(content: str, inputs: Sequence[str]) -> str:
    """The expression of a table: its 2^n bits in binary, the last place first; n inputs, the lowest first."""
    if len(set(content)) == 1:
        return _FALSE if content[0] == "0" else _TRUE
    *others, last = inputs
    ones, zeros = content[: len(content) // 2], content[len(content) // 2 :]
    one, zero = table(ones, others), table(zeros, others)
    if ones == zeros:
        return zero
    if ones == zeros.translate(_OPPOSITE):
        return {_FALSE: last, _TRUE: f"~{last}"}.get(zero, f"({last} ^ {zero})")
    if _FALSE in (one, zero):
        return f"({last} & {one})" if zero == _FALSE else f"(~{last} & {zero})"
    if _TRUE in (one, zero):
        return f"({last} | {zero})" if one == _TRUE else f"(~{last} | {one})"
    return f"(({last} & {one}) | (~{last} & {zero}))"


_FALSE, _TRUE = "1'b0", "1'b1"
_OPPOSITE = str.maketrans("01", "10")


def _table(cell: Mapping[str, Any], wire: Wire) -> list[str]:
    """All that a cell has: a table, its inputs in the order of their names, an output."""
    ports = sorted(cell["port_directions"].items())
    inputs = [wire(name) for name, direction in ports if direction == "input"]
    (output,) = (wire(name) for name, direction in ports if direction == "output")
    (content,) = cell["parameters"].values()
    return [f"assign {output} = {table(content, inputs)};"] if output else []


def _carry(number: int, cell: Mapping[str, Any], wire: Wire) -> list[str]:
    """ECP5's CCU2C, as yosys' model has it: twice a table of four inputs that is added to a carry."""
    settings, carry = cell["parameters"], wire("CIN")
    found = []
    for half in "01":
        content, is_injected = settings[f"INIT{half}"], settings[f"INJECT1_{half}"] == "YES"
        inputs = [wire(f"{port}{half}") for port in "ABCD"]
        whole, onward = f"table{half}_{number}", f"carry{half}_{number}"
        small = _FALSE if is_injected else table(content[-4:], inputs[:2])
        found += [
            f"wire {whole} = {table(content, inputs)};",
            f"wire {onward} = (~{whole} & {small}) | ({whole} & {carry});",
        ]
        if total := wire(f"S{half}"):
            found.append(f"assign {total} = {whole}" + (";" if is_injected else f" ^ {carry};"))
        carry = onward
    if out := wire("COUT"):
        found.append(f"assign {out} = {carry};")
    return found
