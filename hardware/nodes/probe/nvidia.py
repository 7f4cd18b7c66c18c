"""NVIDIA GPUs, asked through NVML, the library that comes with the driver."""

import pynvml

from hardware.nodes.probe.facts import Accelerator


def gpus() -> tuple[list[Accelerator], str, list[str]]:
    """(GPUs, driver version, what could not be asked, as sentences). No driver: no GPUs, no complaint."""
    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return [], "", []
    except pynvml.NVMLError as error:
        return [], "", [f"NVIDIA's driver does not answer: {error}."]
    try:
        return _listed()
    finally:
        pynvml.nvmlShutdown()


def _listed() -> tuple[list[Accelerator], str, list[str]]:
    found: list[Accelerator] = []
    trouble: list[str] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(_one(index))
        except pynvml.NVMLError as error:
            trouble.append(f"GPU {index} does not answer: {error}.")
    return found, str(pynvml.nvmlSystemGetDriverVersion()), trouble


def _one(index: int) -> Accelerator:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Accelerator(
        kind="gpu",
        index=index,
        model=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        details={"compute_capability": f"{major}.{minor}"},
    )
