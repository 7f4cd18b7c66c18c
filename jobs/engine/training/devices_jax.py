"""JAX's settings of a process, and what it says of its GPUs. Threads and memory it takes from the environment."""

from typing import Any

import jax

from jobs.engine.ends import GpuUse


def prepare(*, gpus: int | None) -> int:
    """How many GPUs there are. `gpus` 0 takes none, whatever there is."""
    if gpus == 0:
        jax.config.update("jax_platforms", "cpu")
    return len(_gpus())


def gpu_uses() -> list[GpuUse]:
    """Of each GPU that this process may use."""
    told = [gpu.memory_stats() for gpu in _gpus()]
    return [
        GpuUse(
            peak_bytes=stats["peak_bytes_in_use"],
            bytes_in_use=stats["bytes_in_use"],
            limit_bytes=stats.get("bytes_limit", 0),
        )
        for stats in told
        if stats
    ]


def _gpus() -> list[Any]:
    return [device for device in jax.local_devices() if device.platform == "gpu"]
