"""TensorFlow's settings of a process, and what it says of its GPUs."""

from typing import Any

import tensorflow as tf

from jobs.engine.ends import GpuUse

MIB = 1024 * 1024


def prepare(threads: int | None, *, gpus: int | None, limit_mb: int | None) -> int:
    """How many GPUs there are. `gpus` 0 takes none, whatever there is; `limit_mb` is of each GPU."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # Rewriting the graph took 0.13 s of the first step, and made later ones no faster.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if gpus == 0:
        tf.config.set_visible_devices([], "GPU")
        return 0
    found = tf.config.list_physical_devices("GPU")
    for device in found:
        _limit(device, limit_mb)
    return len(found)


def _limit(gpu: Any, limit_mb: int | None) -> None:
    """Its own part of the GPU at once, which none can take meanwhile; else what is needed, as it comes to be needed."""
    if limit_mb is None:
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    else:
        part = tf.config.LogicalDeviceConfiguration(memory_limit=limit_mb)
        tf.config.set_logical_device_configuration(gpu, [part])


def gpu_uses() -> list[GpuUse]:
    """Of each GPU that this process may use."""
    return [
        GpuUse(**_memory(number), limit_bytes=_limit_bytes(device))
        for number, device in enumerate(tf.config.get_visible_devices("GPU"))
    ]


def _memory(number: int) -> dict[str, int]:
    found = tf.config.experimental.get_memory_info(f"GPU:{number}")
    return {"peak_bytes": found["peak"], "bytes_in_use": found["current"]}


def _limit_bytes(gpu: Any) -> int:
    parts = tf.config.get_logical_device_configuration(gpu)
    return int(parts[0].memory_limit) * MIB if parts else 0
