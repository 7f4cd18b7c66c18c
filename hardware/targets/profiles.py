"""What a bundle can be for: one frozen profile per board. Facts, no behaviour."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

KIB = 1024
MIB = 1024**2
GIB = 1024**3


class Kind(StrEnum):
    """What kind of machine a target is; each kind has its own way of building and running. A `format` is no machine,
    but a file to go on with elsewhere.
    """

    LINUX = "linux"
    MICROCONTROLLER = "microcontroller"
    BROWSER = "browser"
    FPGA = "fpga"
    FORMAT = "format"


class Status(StrEnum):
    """`offered`: built and measured by our tests. `experimental`: it builds, nobody vouches for it yet.
    `planned`: listed so that nobody wonders; nothing is built for it, and a job that names it is refused.
    """

    OFFERED = "offered"
    EXPERIMENTAL = "experimental"
    PLANNED = "planned"


class Kernels(StrEnum):
    """The fast kernels that a microcontroller's library brings; `reference` are TensorFlow Lite Micro's own, in C."""

    REFERENCE = "reference"
    CMSIS_NN = "cmsis-nn"
    ESP_NN = "esp-nn"


class Variant(StrEnum):
    """The model files a bundle can hold: `int8` is static int8 inside with float input and output, `onnx` is float."""

    INT8 = "int8"
    FP32 = "fp32"
    ONNX = "onnx"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a Linux board, or the computer beside a microcontroller, has to install before `run.py` works.

    `packages` are names on PyPI, with a bound only where the newest does not serve; `pictures` are needed for
    pictures only. `min_python` is the oldest Python that the packages have wheels for on that architecture,
    `max_python` the newest ("": no end known). `note` is a sentence for people.
    """

    packages: tuple[str, ...]
    pictures: tuple[str, ...] = ("pillow",)
    min_python: str = "3.9"
    max_python: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One board. `ram_bytes` is all it has, `ram_free_bytes` what a program may count on beside the system (on a
    microcontroller: what it may give to TensorFlow Lite Micro's arena). `flash_bytes` is the storage that such a board
    has at least free for one bundle; a microcontroller's is all its flash, an FPGA's the configuration flash beside it.

    `operators` are the names of LiteRT's operators that its runtime knows; none named: all of LiteRT's own.
    `core` is what `gcc -mcpu` calls the processor ("" where nothing is compiled for it); `kernels` are those of the
    library that people use there, whose scratch lies in the arena too. `holds_model`: a bitstream of it can begin with
    the model.
    """

    name: str
    title: str
    kind: Kind
    arch: str
    ram_bytes: int
    ram_free_bytes: int
    flash_bytes: int
    clock_hz: int
    cores: int
    status: Status
    runtime: Runtime
    variants: tuple[Variant, ...] = (Variant.INT8, Variant.FP32)
    operators: tuple[str, ...] = ()
    core: str = ""
    kernels: Kernels = Kernels.REFERENCE
    holds_model: bool = False

    @property
    def buildable(self) -> bool:
        """Whether bundles are built for it at all."""
        return self.status is not Status.PLANNED

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON values: the `target` of a build task."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """The row of `GET /targets`."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": str(self.kind),
            "ram_bytes": self.ram_bytes,
            "flash_bytes": self.flash_bytes,
            "status": str(self.status),
            "note": self.runtime.note,
        }


def from_json(data: dict[str, Any]) -> Target:
    """The inverse of `Target.as_json`, also after a round trip through JSON.

    Raises KeyError, TypeError or ValueError for anything else.
    """
    plain = dict(data)
    runtime = dict(plain.pop("runtime"))
    runtime["packages"] = tuple(runtime["packages"])
    runtime["pictures"] = tuple(runtime["pictures"])
    plain["kind"] = Kind(plain["kind"])
    plain["status"] = Status(plain["status"])
    plain["kernels"] = Kernels(plain.get("kernels", Kernels.REFERENCE))
    plain["operators"] = tuple(plain.get("operators", ()))
    plain["variants"] = tuple(Variant(name) for name in plain["variants"])
    return Target(**plain, runtime=Runtime(**runtime))
