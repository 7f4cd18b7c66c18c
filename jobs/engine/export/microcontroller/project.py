"""The C and C++ files of a microcontroller's bundle. All in one folder, as a bundle has no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.targets.tflm import OPERATORS
from jobs.engine.export.microcontroller.plain_c import PlainC
from jobs.engine.export.microcontroller.tflm import Micro
from jobs.engine.export.microcontroller.writer import literals

MODEL_FILE = "model_micro.tflite"
PLAIN_FILE = "gristmill_plain.c"
_FIXED = ("main.c", "example.c", "library.properties", "Makefile")
_FOLDER = Path(__file__).parent / "files"
_PER_LINE = 20
_C_TYPES = {"int8": "int8_t", "float32": "float"}


@dataclass(frozen=True)
class Vectors:
    """Self-test inputs and what TensorFlow Lite Micro answers, both as the model has them; `tolerance` in its units."""

    inputs: NDArray[Any]
    outputs: NDArray[Any]
    tolerance: float


def write_model(
    folder: Path,
    content: bytes,
    micro: Micro,
    labels: Sequence[str],
    vectors: Vectors,
    *,
    plain: bool = True,
) -> None:
    """The model as a file and as a C array, what both ways of running it share, and the self-test. `plain`: there is
    plain C, which is then what runs unless TensorFlow Lite Micro is asked for.
    """
    (folder / MODEL_FILE).write_bytes(content)
    _write(folder / "model_data.h", _MODEL_HEADER)
    _write(
        folder / "model_data.c",
        '#include "model_data.h"\n\nconst unsigned char gristmill_model_data[] __attribute__((aligned(16))) = {\n'
        f"{_rows(content)}\n}};\nconst unsigned int gristmill_model_bytes = {len(content)};\n",
    )
    _write(folder / "gristmill.h", _header(micro, labels, vectors, plain=plain))
    _write(folder / "gristmill_labels.c", _labels(labels))
    _write(folder / "selftest_data.c", _selftest(vectors))
    for name in _FIXED:
        (folder / name).write_bytes((_FOLDER / name).read_bytes())
    _write_filled(
        folder, "CMakeLists.txt", {"TFLM": str(int(not plain)), "PLAIN": PLAIN_FILE if plain else ""}
    )


def write_tflm(folder: Path, operators: Sequence[str], arena: int) -> None:
    """The C++ for TensorFlow Lite Micro: its resolver lists `operators` and no others."""
    adds = "\n".join(f"  if (resolver.{OPERATORS[name]}() != kTfLiteOk) return 1;" for name in operators)
    filled = {"ARENA": str(arena), "COUNT": str(len(operators)), "ADD": adds}
    _write_filled(folder, "gristmill_tflm.cc", filled)


def write_plain(folder: Path, plain: PlainC) -> None:
    """The same model as plain C, and its kernels."""
    _write(folder / PLAIN_FILE, plain.source)
    for name in plain.headers:
        (folder / name).write_bytes((_FOLDER / name).read_bytes())


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_filled(folder: Path, name: str, filled: dict[str, str]) -> None:
    """A file of ours, with texts in the place of its marks."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for mark, value in filled.items():
        text = text.replace(f"@{mark}@", value)
    _write(folder / name, text)


def _rows(values: Any) -> str:
    plain = [str(value) for value in values]
    lines = (", ".join(plain[at : at + _PER_LINE]) for at in range(0, len(plain), _PER_LINE))
    return "\n".join(f"  {line}," for line in lines)


_MODEL_HEADER = """\
#ifndef GRISTMILL_MODEL_DATA_H_
#define GRISTMILL_MODEL_DATA_H_
#ifdef __cplusplus
extern "C" {
#endif
/* model_micro.tflite, byte for byte. */
extern const unsigned char gristmill_model_data[];
extern const unsigned int gristmill_model_bytes;
#ifdef __cplusplus
}
#endif
#endif
"""


def _header(micro: Micro, labels: Sequence[str], vectors: Vectors, *, plain: bool) -> str:
    (in_type, in_scale, in_zero), (out_type, out_scale, out_zero) = micro.input, micro.output
    return f"""\
/* The model on a microcontroller: gristmill_begin() once, then gristmill_run() for each input. Both return 0, or 1 when
   it failed.

   A real value is scale * (q - zero_point) for int8; a scale of 0 says that floats go in or come out. */
#ifndef GRISTMILL_H_
#define GRISTMILL_H_

#include <math.h>
#include <stdint.h>

/* What runs it: 0 is plain C (gristmill_plain.c), 1 is TensorFlow Lite Micro (gristmill_tflm.cc with model_data.c). The
   files of the other way compile to nothing. */
#ifndef GRISTMILL_TFLM
#define GRISTMILL_TFLM {int(not plain)}
#endif

typedef {_C_TYPES[in_type.name]} gristmill_in;
typedef {_C_TYPES[out_type.name]} gristmill_out;

#define GRISTMILL_INPUTS {int(np.prod(vectors.inputs.shape[1:]))}
#define GRISTMILL_INPUT_SCALE {in_scale!r}f
#define GRISTMILL_INPUT_ZERO_POINT {in_zero}
#define GRISTMILL_OUTPUTS {vectors.outputs.shape[1]}
#define GRISTMILL_OUTPUT_SCALE {out_scale!r}f
#define GRISTMILL_OUTPUT_ZERO_POINT {out_zero}
#define GRISTMILL_LABELS {len(labels)}
#define GRISTMILL_VECTORS {len(vectors.inputs)}
#define GRISTMILL_TOLERANCE {vectors.tolerance!r}

#ifdef __cplusplus
extern "C" {{
#endif

int gristmill_begin(void);
int gristmill_run(const gristmill_in *input, gristmill_out *output);

extern const char *const gristmill_labels[]; /* gristmill_labels.c */
extern const gristmill_in gristmill_vector_inputs[]; /* selftest_data.c */
extern const gristmill_out gristmill_vector_outputs[];

/* A pixel 0..255, or what else goes in, as the model takes it. */
static inline gristmill_in gristmill_quantised(float value) {{
  {_quantised(in_scale)}
}}

/* An answer in its own unit: how likely a label is, 0..1, or the number that is estimated. */
static inline float gristmill_score(gristmill_out answer) {{
  return {"GRISTMILL_OUTPUT_SCALE * (answer - GRISTMILL_OUTPUT_ZERO_POINT)" if out_scale else "answer"};
}}

#ifdef __cplusplus
}}
#endif
#endif
"""


def _quantised(scale: float) -> str:
    """C as the portal rounds: halves to even, cut to int8."""
    if not scale:
        return "return value;"
    return """const float steps = rintf(value / GRISTMILL_INPUT_SCALE) + GRISTMILL_INPUT_ZERO_POINT;
  return (gristmill_in)(steps < -128 ? -128 : steps > 127 ? 127 : steps);"""


def _labels(labels: Sequence[str]) -> str:
    names = "\n".join(f"  {_quoted(label)}," for label in labels) or "  0,"
    return f'#include "gristmill.h"\n\nconst char *const gristmill_labels[] = {{\n{names}\n}};\n'


def _quoted(text: str) -> str:
    """A C string literal in UTF-8 that holds nothing but letters, digits, blanks and octal escapes."""
    plain = {ord(letter) for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-."}
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _selftest(vectors: Vectors) -> str:
    return f"""\
#include "gristmill.h"

#include <math.h>

const gristmill_in gristmill_vector_inputs[] = {{
{_rows(literals(vectors.inputs))}
}};
const gristmill_out gristmill_vector_outputs[] = {{
{_rows(literals(vectors.outputs))}
}};
"""
