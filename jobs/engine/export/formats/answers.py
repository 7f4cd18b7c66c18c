"""What the Keras model says to the test split, and how far another file's answers are from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.engine.brought.run import outputs
from jobs.engine.export import dataless
from jobs.engine.export.kinds import Build
from jobs.engine.export.manifest import DETAILS
from jobs.engine.export.selftest import limit_of
from jobs.engine.export.variants import RefusedError, worth


def of_keras(build: Build) -> NDArray[np.float32]:
    """(n, outputs) on the test split, or on vectors drawn by chance where there is none."""
    return outputs(build.model, dataless.subjects(build.arrays), lambda part: build.tick("packing", part / 2))


def checked(build: Build, wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The largest difference of two kinds of answers; RefusedError when it is more than a self-test lets pass."""
    off = float(np.abs(wanted - found).max(initial=0))
    if not off <= limit_of("fp32", wanted, None):
        raise RefusedError(
            f"As {build.target.title}, the model answers differently than as Keras has it: by up to {off:.3g}."
        )
    return off


def measured(build: Build, found: NDArray[np.float32]) -> dict[str, Any]:
    """The metrics that go into a manifest, with the number of samples; `samples` is 0 without data."""
    metrics = {name: value for name, value in worth(found, build.arrays).items() if name not in DETAILS}
    return {**metrics, "samples": len(build.arrays.test.y)}
