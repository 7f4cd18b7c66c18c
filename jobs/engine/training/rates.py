"""The learning rate of each step, and what else the backends' optimizers share."""

import math

FIRST, SECOND, SMALL = 0.9, 0.999, 1e-7  # Adam's decay rates and epsilon, as in Keras
DECAY = 0.02
WARM_UP = 0.1
LAST = 0.01


def rate(step: int, *, steps: int, most: float) -> float:
    """The rate at `step` of `steps` (from 0): up in a line to `most` for a tenth, then down a cosine to a hundredth.

    After Loshchilov and Hutter 2017 (arXiv:1608.03983), with the warm-up of Goyal et al. 2017 (arXiv:1706.02677).
    """
    warm = max(1, int(steps * WARM_UP))
    if step < warm:
        return most * (0.1 + 0.9 * step / warm)
    share = min(1.0, (step - warm) / max(1, steps - warm))
    return most * (LAST + (1 - LAST) * (1 + math.cos(math.pi * share)) / 2)


def decays(path: str) -> bool:
    """Whether weight decay applies to a variable: to kernels, not to biases and normalisation."""
    return path.rsplit("/", 1)[-1] not in {"bias", "gamma", "beta"}
