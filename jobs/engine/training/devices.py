"""What of its node this process may use, told to the backend before it runs anything, and what it took of the GPUs."""

import keras

from jobs.engine.ends import GpuUse, NoGpuError
from jobs.engine.task import TrainTask


def prepare(task: TrainTask) -> None:
    """Settings that a backend takes before its first operation only: threads, GPUs, memory, determinism.

    Raises NoGpuError when it was given GPUs and the backend finds none: it would train on the processor instead, at
    the price of a GPU.
    """
    found = 0
    if keras.backend.backend() == "tensorflow":
        from jobs.engine.training import devices_tensorflow

        found = devices_tensorflow.prepare(task.threads, gpus=task.gpus, limit_mb=task.gpu_limit_mb)
    elif keras.backend.backend() == "jax":
        from jobs.engine.training import devices_jax

        found = devices_jax.prepare(gpus=task.gpus)
    if found < (task.gpus or 0):
        raise NoGpuError


def gpu_use() -> GpuUse | None:
    """Memory of the GPU of which most was taken; None where there is none."""
    if keras.backend.backend() == "tensorflow":
        from jobs.engine.training import devices_tensorflow

        return max(devices_tensorflow.gpu_uses(), default=None)
    if keras.backend.backend() == "jax":
        from jobs.engine.training import devices_jax

        return max(devices_jax.gpu_uses(), default=None)
    return None
