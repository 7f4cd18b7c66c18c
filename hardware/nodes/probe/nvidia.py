"""NVIDIA GPUs, asked through NVML, the library that comes with the driver.

NVML: https://docs.nvidia.com/deploy/nvml-api/. Its power is in milliwatts, its energy in millijoules since the
driver was loaded (Volta and newer).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

from hardware.nodes.probe.facts import Accelerator

T = TypeVar("T")


def reach() -> bool:
    """Whether the driver answers; if so NVML stays open in this process, as opening it can take a driver seconds."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


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
    driver = str(pynvml.nvmlSystemGetDriverVersion())
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(_one(index, driver))
        except pynvml.NVMLError as error:
            trouble.append(f"GPU {index} does not answer: {error}.")
    return found, driver, trouble


def _one(index: int, driver: str) -> Accelerator:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Accelerator(
        kind="gpu",
        index=index,
        model=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        details=_details(handle, driver),
    )


def _details(handle: Any, driver: str) -> dict[str, str]:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    found = {"compute_capability": f"{major}.{minor}", "driver": driver}
    if (place := asked(pynvml.nvmlDeviceGetPciInfo, handle)) is not None:
        found["pci_bus"] = str(place.busId)
    if (limit := power_limit_w(handle)) is not None:
        found["power_limit_w"] = f"{limit:.0f}"
    return found


def asked(question: Callable[[Any], T], handle: Any) -> T | None:
    """What the GPU answers; None where it doesn't know that."""
    try:
        return question(handle)
    except pynvml.NVMLError:
        return None


def handles() -> dict[int, Any]:
    """The GPUs that answer, by number. `reach` first."""
    count = asked(lambda _all: int(pynvml.nvmlDeviceGetCount()), None) or 0
    found = {index: asked(pynvml.nvmlDeviceGetHandleByIndex, index) for index in range(count)}
    return {index: handle for index, handle in found.items() if handle is not None}


def power_limit_w(handle: Any) -> float | None:
    """What it is held to, in watts."""
    limit = asked(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return None if limit is None else limit / 1000


def power_w(handle: Any) -> float | None:
    """What it draws now, in watts."""
    drawn = asked(pynvml.nvmlDeviceGetPowerUsage, handle)
    return None if drawn is None else drawn / 1000


def utilisation(handle: Any) -> float | None:
    """For how much of the last moment it was at work, 0 to 1."""
    rates = asked(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return None if rates is None else rates.gpu / 100


def temperature_c(handle: Any) -> float | None:
    return asked(lambda gpu: float(pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU)), handle)


def memory_used_bytes(handle: Any) -> int | None:
    memory = asked(pynvml.nvmlDeviceGetMemoryInfo, handle)
    return None if memory is None else int(memory.used)


def energy_j(handle: Any) -> float | None:
    """What it has used since its driver was loaded, in joules."""
    used = asked(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return None if used is None else used / 1000
