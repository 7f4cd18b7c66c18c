"""The first section of a microcontroller bundle's README.md."""

from collections.abc import Sequence
from typing import Any

from hardware.targets.profiles import Kernels, Target

# Where a board's own tools get the library from. None of this is run by our tests: it takes a network or a board.
_HOW = {
    "esp32-s3": "ESP-IDF's component registry has it as `espressif/esp-tflite-micro`, with kernels for this "
    "chip, ESP-NN. What these take differs from release to release: should `gristmill_begin()` return 1, raise "
    "`kArenaBytes` in `gristmill_tflm.cc`, or choose `ANSI C` for ESP-NN in `idf.py menuconfig`, which takes nothing.",
    "arduino-nano-33-ble-sense": "In the Arduino IDE it is the library `Arduino_TensorFlowLite`; set `GRISTMILL_TFLM` "
    "in `gristmill.h` to 1.",
    "raspberry-pi-pico-2": "`raspberrypi/pico-tflmicro` on GitHub brings the library: add it before this folder, and "
    "set `GRISTMILL_TFLM` to 1 and `GRISTMILL_LIBRARY` to `pico-tflmicro`.",
}
# How the folder becomes part of a program there.
_INTO = {
    "esp32-s3": "In an ESP-IDF project, copy this folder to `components/gristmill`: its `CMakeLists.txt` is a "
    "component's, and the first lines in it say what runs the model.",
    "arduino-nano-33-ble-sense": "In the Arduino IDE, Sketch, Include Library, Add .ZIP Library takes this bundle's "
    "zip as it is (`library.properties` is in it); a sketch then begins with `#include <gristmill.h>`.",
    "raspberry-pi-pico-2": "In a Pico SDK project, `add_subdirectory` this folder and link your program with "
    "`gristmill`.",
}
_CMAKE = "With CMake, `add_subdirectory` this folder and link your program with `gristmill`."
# What TensorFlow Lite Micro's Makefile calls a core; of each it compiles for the floating-point unit.
_ARCHITECTURES = {"cortex-m4": "cortex-m4+fp", "cortex-m7": "cortex-m7+fp", "cortex-m33": "cortex-m33"}
_TITLES = {
    Kernels.REFERENCE: "others",
    Kernels.CMSIS_NN: "CMSIS-NN's kernels",
    Kernels.ESP_NN: "ESP-NN's kernels",
}
_SHARED = ("gristmill.h", "gristmill_labels.c")
TFLM_FILES = ("gristmill_tflm.cc", "model_data.c", "model_data.h", *_SHARED)
SELFTEST_FILES = ("main.c", "selftest_data.c")


def plain_files(plain: dict[str, Any]) -> tuple[str, ...]:
    """What plain C is compiled from; `plain` is the manifest's `plain_c`."""
    return (plain["file"], *plain["headers"], *_SHARED)


def readme(about: dict[str, Any], target: Target, *, pictures: bool) -> str:
    """Markdown. No name that a member gave stands in it."""
    cross = _cross(target)
    architecture = f" TARGET=cortex_m_generic TARGET_ARCH={_ARCHITECTURES[target.core]}" if cross else ""
    commit = about["runtime"]["commit"] or "main"
    return f"""\
## On the board

`gristmill.h` is all your program sees: `gristmill_begin()` once, then `gristmill_run(input, output)`. `example.c` shows
it: it fills the input by `gristmill_quantised(value)` and prints the best of `gristmill_labels` with its
`gristmill_score(answer)`. {_INTO.get(target.name, _CMAKE)}
{_ports(about, pictures=pictures)}
{_ways(about["plain_c"])}

{_plain(about["plain_c"], cross)}
**TensorFlow Lite Micro** (C++): take {_listed(TFLM_FILES)}, compile them with `-DGRISTMILL_TFLM=1`, and link the
library. Its resolver registers the {len(about["operators"])} operators of this model alone; its arena of
{about["arena_bytes"]:,} bytes is the {about["arena_measured_bytes"]:,} that the interpreter took here
{_scratch(about, target)}and a margin.
{_HOW.get(target.name, "")}
From its sources (these lines are from its documentation; Gristmill's tests have no network to run them):

    git clone https://github.com/tensorflow/tflite-micro && git -C tflite-micro checkout {commit}
    make -C tflite-micro -f tensorflow/lite/micro/tools/make/Makefile{architecture} microlite
    make tflm TFLM=tflite-micro LIB=$(find tflite-micro/gen -name libtensorflow-microlite.a){cross}

**The self-test**, {_listed(SELFTEST_FILES)}, is a program of its own, which the lines with `make` build: leave
it out of yours. It runs {about["selftest"]["vectors"]} test samples and ends with PASS when the board answers as the
portal did.

What was tried: {about["proof"]} Measured with TensorFlow Lite Micro's interpreter on the {about["samples"]} test
samples: {_worth(about)}.

The rest of this file is about the same model on a computer with Python, to compare with.
"""


def _scratch(about: dict[str, Any], target: Target) -> str:
    """The share of the board's own kernels in the arena."""
    return f"with the reference kernels, {about['arena_scratch_bytes']:,} that {_TITLES[target.kernels]} take besides, "


def _cross(target: Target) -> str:
    """The Makefile's variables for the board's core; nothing where they are not known."""
    if target.core not in _ARCHITECTURES:
        return ""
    return f' CROSS=arm-none-eabi- FLAGS="-mcpu={target.core} -mthumb -mfloat-abi=hard" LINK=--specs=rdimon.specs'


def _listed(files: Sequence[str]) -> str:
    *most, last = (f"`{name}`" for name in files)
    return f"{', '.join(most)} and {last}"


def _ways(plain: dict[str, Any]) -> str:
    if "file" not in plain:
        return "TensorFlow Lite Micro runs it."
    return (
        "Plain C or TensorFlow Lite Micro runs it: `GRISTMILL_TFLM` says which (in `gristmill.h` it is 0, plain C),\n"
        "and the files of the other compile to nothing."
    )


def _ports(about: dict[str, Any], *, pictures: bool) -> str:
    source, out = about["input"], about["output"]
    if "scale" not in source and pictures:
        return f"The input is {source['shape']} of floats, row by row: pixels 0..255 as they are."
    if "scale" not in source:
        return "The input is one row of floats, as manifest.json's `input.columns` lists them (a missing number: NAN)."
    pixel = "a pixel 0..255" if pictures else "a value"
    text = (
        f"The input is {source['shape']} of int8, row by row: {pixel} becomes round(value / {source['scale']:.9g}) "
        f"{source['zero_point']:+d}, cut to -128..127."
    )
    if "scale" in out:
        text += f" A score is {out['scale']:.9g} * (output {-out['zero_point']:+d})."
    return text


def _plain(plain: dict[str, Any], cross: str) -> str:
    if "file" not in plain:
        return f"{plain['left_out']}\n"
    shown = "    make plain && ./selftest_plain.elf\n    make example && ./example.elf\n"
    if cross:
        shown += f"    make plain{cross}\n"
    return f"""\
**Plain C** (C99, no library): take {_listed(plain_files(plain))}.
It needs {plain["buffer_bytes"]:,} bytes of memory for activations and gives the very bytes that TensorFlow Lite
Micro's reference kernels give; TensorFlow Lite Micro with a board's own kernels is faster. To see it pass on this
computer{", then to compile it for the board" if cross else ""}:

{shown}"""


def _worth(about: dict[str, Any]) -> str:
    shown = {"accuracy": "accuracy", "macro_f1": "macro F1", "mae": "mean absolute error", "r2": "R²"}
    return ", ".join(f"{title} {about[key]:.4g}" for key, title in shown.items() if key in about)
