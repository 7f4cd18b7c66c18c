"""Builds bundles in a process of its own: `python -m tests.export.again KEY.pem OUT THREADS NAME TASK TARGET …`."""

import json
import sys
from pathlib import Path

from hardware.targets.registry import TARGETS
from jobs.bundles.sealing import seal
from jobs.bundles.signing import load_private
from jobs.engine.events import Wish


def main(key_file: str, out: str, threads: str, *wanted: str) -> None:
    """Leaves `OUT/NAME-TARGET/bundle` and `OUT/NAME-TARGET.zip` for each three of `wanted`, built in this order."""
    import tensorflow as tf

    from jobs.engine.export.build import run

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    key = load_private(Path(key_file).read_bytes())
    for name, task_file, target in zip(wanted[::3], wanted[1::3], wanted[2::3], strict=True):
        home, events = Path(out) / f"{name}-{target}", []
        given = json.loads(Path(task_file).read_text())
        more = {"target": TARGETS[target].as_json(), "out": str(home), "threads": int(threads)}
        run({**given, **more}, events.append, Wish())
        assert events[-1]["reason"] == "done", events[-1]
        seal(home / "bundle", key, home.with_suffix(".zip"), f"{name}-{target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
