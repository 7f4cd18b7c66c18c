"""The text of `gristmill_plain.c` as it grows: const arrays, and the calls in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.litert.file import Net, Tensor
from hardware.targets.litert.fixed import Factor
from jobs.engine.export.microcontroller.places import Plan

_PER_LINE = 24
C_TYPES = {np.int8: "int8_t", np.float32: "float", np.bool_: "uint8_t", np.int32: "int32_t"}


class NoKernelError(Exception):
    """The model needs what the kernels do not have; the message says what."""


@dataclass
class Writer:
    """`headers` are those of the kernels that were called."""

    net: Net
    plan: Plan
    headers: set[str] = field(default_factory=set)
    constants: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def call(self, function: str, *arguments: object) -> None:
        self.calls.append(f"  {function}({', '.join(map(str, arguments))});")

    def where(self, tensor: Tensor) -> str:
        """The C expression for where a tensor lies: a const array's name for a constant one."""
        kind = C_TYPES.get(tensor.dtype)
        if kind is None:
            raise ValueError("a type of its own")
        if tensor.data is not None:
            return self.array(kind, literals(tensor.data))
        root = self.plan.root(tensor.number)
        if root == self.net.input.number:
            return "input"
        if root == self.net.output.number:
            return "output"
        return f"({kind} *)(buffer + {self.plan.offsets[root]})"

    def array(self, kind: str, values: Sequence[object]) -> str:
        """A new const array's name."""
        name = f"c{len(self.constants)}"
        rows = [
            "  " + ",".join(map(str, values[start : start + _PER_LINE])) + ","
            for start in range(0, len(values), _PER_LINE)
        ]
        self.constants.append(f"static const {kind} {name}[] = {{\n" + "\n".join(rows) + "\n};")
        return name

    def weights(self, tensor: Tensor) -> str:
        return self.array("int8_t", literals(constant(tensor).astype(np.int8)))

    def bias(self, tensor: Tensor | None) -> str:
        return "0" if tensor is None else self.array("int32_t", literals(constant(tensor)))

    def factors(self, factors: Sequence[Factor]) -> str:
        return self.array("gm_factor", [braced(factor) for factor in factors])

    def text(self) -> str:
        """The file."""
        includes = "\n".join(f'#include "{name}"' for name in sorted(self.headers))
        constants, calls = "\n".join(self.constants), "\n".join(self.calls)
        return f"""\
/* Written by Gristmill from model_micro.tflite. */
#include "gristmill.h"

#if !GRISTMILL_TFLM
#include <string.h>

{includes}

{constants}

/* The activations. Pieces of it are floats, one after the other. */
static int8_t buffer[{max(self.plan.bytes, 1)}] __attribute__((aligned(8)));

int gristmill_begin(void) {{ return 0; }}

int gristmill_run(const gristmill_in *input, gristmill_out *output) {{
  (void)buffer;
{calls}
  return 0;
}}
#endif
"""


def literals(values: NDArray[Any]) -> list[str]:
    """C literals that give the very values back."""
    plain = values.ravel().tolist()
    if values.dtype == np.float32:
        return [f"{value.hex()}f" if np.isfinite(value) else _odd(value) for value in plain]
    return [str(int(value)) for value in plain]


def _odd(value: float) -> str:
    return "NAN" if np.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"


def constant(tensor: Tensor) -> NDArray[Any]:
    """The data of a tensor that must have some; ValueError when it is computed."""
    if tensor.data is None:
        raise ValueError("weights that are not constant")
    return tensor.data


def braced(values: Sequence[object]) -> str:
    """A C initialiser."""
    return "{" + ",".join(map(str, values)) + "}"
