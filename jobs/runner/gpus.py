"""Which of a node's GPUs a task gets, and how much of their memory: what CUDA, TensorFlow and JAX are told of it.

They look when they first use a device, not when they are imported, so it can be told to a child of a warm parent.
"""

from dataclasses import dataclass

_MOST = 1.0


@dataclass(frozen=True)
class Gpus:
    """`names` are CUDA's: each a UUID ("GPU-…"), or the number by PCI bus, which is NVML's. `memory_bytes` is what each
    has, and `limit_bytes` what the task may take of it: None for all.
    """

    names: tuple[str, ...] = ()
    memory_bytes: int = 0
    limit_bytes: int | None = None

    def environment(self) -> dict[str, str]:
        """https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars and
        https://docs.jax.dev/en/latest/gpu_memory_allocation.html. That JAX allocates its share at once is part of the
        promise: a neighbour can't take it meanwhile, as TensorFlow's logical devices do by themselves.
        """
        shown = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(self.names)}
        if not self.names:
            return shown
        shown["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        if self.limit_bytes is None or not self.memory_bytes:
            return {**shown, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        fraction = min(_MOST, self.limit_bytes / self.memory_bytes)
        return {
            **shown,
            "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{fraction:.6f}",
        }


NO_GPUS = Gpus()
