"""LiteRT's own benchmark of a model file. Usage: python -m benchmarks.bundles.litert MODEL RUNS.

It is the program that comes with the runtime, on one thread; the last line is its figures as JSON, milliseconds. It
times the run of the model alone: inputs are written once, outputs never read.
"""

import json
import sys
from typing import Any

from ai_edge_litert.tools import benchmark_litert_model as theirs

WARM_UP = 10


def main(model: str, runs: str) -> dict[str, Any]:
    sys.argv[1:] = [f"--model={model}", f"--num_runs={runs}", f"--warmup_runs={WARM_UP}", "--num_threads=1"]
    # It rounds to hundredths of a millisecond, and a small net takes one or two.
    theirs.round = lambda value, _digits: value
    found: dict[str, Any] = theirs.run_benchmark(theirs.parse_args())["latency"]
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
