"""Boards without an operating system: a C++ project for TensorFlow Lite Micro.

Sources: Espressif's ESP32-S3 series data sheet (two Xtensa LX7 cores at 240 MHz, 512 KB of SRAM) and the
ESP32-S3-DevKitC-1 guide (8 MB of flash on the smallest module); Nordic's nRF52840 product specification (Cortex-M4F at
64 MHz, 1 MB of flash, 256 KB of RAM), Arduino's Nano 33 BLE Sense data sheet ABX00031; Raspberry Pi's RP2350 and
Pico 2 data sheets (two Cortex-M33 cores at 150 MHz, 520 KB of SRAM, 4 MB of flash); ST's STM32F745xx/746xx data
sheet DS10916 (Cortex-M7 at 216 MHz, 1 MB of flash, 320 KB of SRAM with its 64 KB of DTCM).

`ram_free_bytes`, what the arena may take, is an allowance of ours: it leaves room for stacks, drivers and, on the
first two, for their radio and operating system.
"""

from hardware.targets.profiles import KIB, MIB, Kernels, Kind, Runtime, Status, Target
from hardware.targets.tflm import OPERATORS

_RUNTIME = Runtime(
    packages=("numpy", "ai-edge-litert"),
    note="A project in C, and one for TensorFlow Lite Micro. `run.py` is for a computer, to compare with.",
)


def _board(
    name: str, title: str, *, arch: str, core: str, ram: int, free: int, flash: int, clock_hz: int, cores: int
) -> Target:
    return Target(
        name=name,
        title=title,
        kind=Kind.MICROCONTROLLER,
        arch=arch,
        ram_bytes=ram * KIB,
        ram_free_bytes=free * KIB,
        flash_bytes=flash * MIB,
        clock_hz=clock_hz,
        cores=cores,
        status=Status.EXPERIMENTAL,
        runtime=_RUNTIME,
        operators=tuple(OPERATORS),
        core=core,
        kernels=Kernels.CMSIS_NN if core else Kernels.ESP_NN,
    )


MICROCONTROLLERS = (
    _board(
        "esp32-s3",
        "ESP32-S3",
        arch="xtensa-lx7",
        core="",
        ram=512,
        free=256,
        flash=8,
        clock_hz=240_000_000,
        cores=2,
    ),
    _board(
        "arduino-nano-33-ble-sense",
        "Arduino Nano 33 BLE Sense",
        arch="armv7e-m",
        core="cortex-m4",
        ram=256,
        free=160,
        flash=1,
        clock_hz=64_000_000,
        cores=1,
    ),
    _board(
        "raspberry-pi-pico-2",
        "Raspberry Pi Pico 2",
        arch="armv8-m.main",
        core="cortex-m33",
        ram=520,
        free=448,
        flash=4,
        clock_hz=150_000_000,
        cores=2,
    ),
    _board(
        "stm32f746",
        "STM32F746",
        arch="armv7e-m",
        core="cortex-m7",
        ram=320,
        free=256,
        flash=1,
        clock_hz=216_000_000,
        cores=1,
    ),
)
