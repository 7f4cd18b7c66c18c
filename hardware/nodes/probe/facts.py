"""What a node has, as a probe finds it. All sizes in bytes; 0 and "" where the machine doesn't say."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Processor:
    """`cores` and `memory_bytes` are what this process may use (affinity, cgroups), not the machine's."""

    model: str
    architecture: str  # as `uname -m` says it
    cores: float
    features: list[str]  # those that matter to training and inference, in the kernel's spelling
    memory_bytes: int


@dataclass(frozen=True)
class Disk:
    """The file system that the node's home is on."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Accelerator:
    """One thing that jobs run on, besides the processor. `kind` is "gpu", "tpu" or "fpga"."""

    kind: str
    index: int
    model: str
    memory_bytes: int
    uuid: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    processor: Processor
    disk: Disk
    accelerators: list[Accelerator]
    toolchains: dict[str, str] = field(default_factory=dict)  # name → version
    driver: str = ""  # NVIDIA's
    trouble: list[str] = field(default_factory=list)  # sentences: what is there but could not be asked

    def as_dict(self) -> dict[str, Any]:
        """For JSON: `accelerators` starts with the processor itself, on which jobs run as well."""
        own = self.processor
        processor = {"kind": "cpu", "index": 0, "model": own.model, "memory_bytes": own.memory_bytes}
        return {
            "cpu": {
                "model": own.model,
                "architecture": own.architecture,
                "cores": own.cores,
                "features": own.features,
            },
            "memory_bytes": own.memory_bytes,
            "accelerators": [processor, *(asdict(accelerator) for accelerator in self.accelerators)],
            "disk": asdict(self.disk),
            "toolchains": self.toolchains,
            "driver": self.driver,
            "trouble": self.trouble,
        }
