"""How long the files of a bundle take to convert. Usage: python -m benchmarks.bundles.conversion HOME MODEL TARGET.

HOME has the checked upload in `data`; prints seconds: from the Keras model in memory to its fp32 and int8 files, the
calibration included, by the function that builds use; neither TensorFlow's import nor any measuring of the files.
"""

import sys
import time
from pathlib import Path

from hardware.targets.registry import TARGETS
from jobs.engine.data import load
from jobs.engine.export.convert import keras_file
from jobs.engine.export.variants import export

PICTURE = 3


class _DoneError(Exception):
    """Converted: what comes then is not measured here."""


def main(home: Path, model_path: Path, target: str) -> float:
    model = keras_file(model_path)
    shape = model.input_shape[1:]
    sides = {"size": shape[:2], "channels": shape[2]} if len(shape) == PICTURE else {}
    arrays = load(home / "data", home / "cache", "key", **sides)

    def tick(phase: str, _part: float) -> None:
        if phase != "exporting":
            raise _DoneError

    began = time.perf_counter()
    try:
        export(model, arrays, TARGETS[target], scratch=home, threads=1, tick=tick)
    except _DoneError:
        return time.perf_counter() - began
    raise RuntimeError("the export told nothing of an end of converting")


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
