"""How many int8 multiply-accumulates a core does in a cycle, with which kernels: what latencies are estimated by.

Each figure is somebody's measured time of a whole net on that core, and that net's multiply-accumulates:
- Cortex-M4: MobileNet v1 0.25 on 96 × 96 × 3 (7.49 million) in 930 ms on an Arduino Nano 33 BLE Sense at 64 MHz, by the
  library Arduino_TensorFlowLite 2.1.0 (README of lightb0x/arduino_trash_classification). Taken for the Cortex-M33 too,
  which has the same DSP instructions: nobody was found who measured one;
- Cortex-M7: a CIFAR-10 net of 24.7 million operations (two to a multiply-accumulate) in 99.1 ms at 216 MHz on an
  STM32F746, by CMSIS-NN (Lai, Suda & Chandra 2018, arXiv 1801.06601);
- ESP32-S3: TensorFlow Lite Micro's person detection (MobileNet v1 0.25 on 96 × 96 × 1, 7.16 million) in 54 ms at
  240 MHz, by ESP-NN (README of espressif/esp-tflite-micro);
- Cortex-A7, -A53, -A72: MobileNet v1 1.0 in int8 (569 million: Howard et al. 2017, arXiv 1704.04861) in 128 ms on a
  Raspberry Pi 2, 46 ms on a 3B+ and 24 ms on a 4, by XNNPACK on four cores (README of google/XNNPACK, February 2022).
  The A53's is of a 32-bit system. The A76 of a Raspberry Pi 5 has faster instructions, but no figure was found: it gets
  the A72's.
"""

from dataclasses import dataclass

from hardware.targets.profiles import Kind, Target

MILLION = 1e6


@dataclass(frozen=True)
class Speed:
    """Multiply-accumulates that one core does in a cycle, and the library whose kernels do it."""

    macs_per_cycle: float
    kernels: str


def _speed(macs: float, seconds: float, clock_hz: float, kernels: str, cores: int = 1) -> Speed:
    return Speed(macs / (seconds * clock_hz * cores), kernels)


_MOBILENET = 569 * MILLION
_A7 = _speed(_MOBILENET, 0.128, 900 * MILLION, "XNNPACK", cores=4)
_A53 = _speed(_MOBILENET, 0.046, 1400 * MILLION, "XNNPACK", cores=4)
_A72 = _speed(_MOBILENET, 0.024, 1500 * MILLION, "XNNPACK", cores=4)
_M4 = _speed(7.49 * MILLION, 0.930, 64 * MILLION, "Arduino_TensorFlowLite")

SPEEDS: dict[str, Speed] = {
    "raspberry-pi-5": _A72,
    "raspberry-pi-4": _A72,
    "raspberry-pi-3": _A53,
    "raspberry-pi-3b-plus": _A53,
    "raspberry-pi-3b-plus-32bit": _A53,
    "raspberry-pi-zero-2-w": _A53,
    "linux-arm64": _A53,
    "linux-armhf": _A7,
    "esp32-s3": _speed(7.16 * MILLION, 0.054, 240 * MILLION, "ESP-NN"),
    "arduino-nano-33-ble-sense": _M4,
    "raspberry-pi-pico-2": _M4,
    "stm32f746": _speed(24.7 / 2 * MILLION, 0.0991, 216 * MILLION, "CMSIS-NN"),
}
"""By target. For the others (a browser, a PC) there is no figure, and no latency is estimated."""

_MOST_THREADS = 4  # what `run.py` takes unless told otherwise


def latency_s(target: Target, macs: int, *, factor: float = 1.0) -> float | None:
    """Seconds that a net of so many multiply-accumulates takes there, about; None where nothing is known.

    Multiply-accumulates ÷ (clock × cores used × multiply-accumulates in a cycle), times `factor`: by how much real
    boards were slower than this. Calls and memory are not counted, so that tiny nets take longer.
    """
    speed = SPEEDS.get(target.name)
    if speed is None:
        return None
    cores = 1 if target.kind is Kind.MICROCONTROLLER else min(target.cores, _MOST_THREADS)
    return factor * macs / (target.clock_hz * cores * speed.macs_per_cycle)
