"""How much memory a program takes that runs a model file as `run.py` does, measured by running one."""

import sys
from pathlib import Path

from portal.kit import process

_SECONDS = 30.0
# Its own process, as this one holds TensorFlow. VmHWM is the most that was ever resident, of this program alone.
_PROGRAM = """\
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
if sys.argv[2] == "pictures":
    import PIL.Image
model = Interpreter(model_path=sys.argv[1], num_threads=1)
model.allocate_tensors()
given = model.get_input_details()[0]
model.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
model.invoke()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def peak_bytes(model: Path, *, pictures: bool) -> int | None:
    """Bytes resident at the peak: Python, NumPy, LiteRT, Pillow for `pictures`, and one input answered on one thread.

    On this computer, so that a board's processor and libraries may take some more or less. None where it can't be
    measured (no Linux, no second process allowed).
    """
    given = "pictures" if pictures else "rows"
    try:
        done = process.run([sys.executable, "-I", "-c", _PROGRAM, str(model), given], timeout=_SECONDS)
    except OSError:
        return None
    told = done.out.strip()
    return int(told) * 1024 if done.ok and told.isdecimal() else None
