"""What a bundle can be for: one frozen profile per board. Facts, no behaviour."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MIB = 1024**2
GIB = 1024**3


class Kind(StrEnum):
    """What kind of machine a target is; each kind has its own way of building and running."""

    LINUX = "linux"
    MICROCONTROLLER = "microcontroller"
    BROWSER = "browser"
    FPGA = "fpga"


class Status(StrEnum):
    """`offered`: built and measured by our tests. `experimental`: it builds, nobody vouches for it yet."""

    OFFERED = "offered"
    EXPERIMENTAL = "experimental"


class Variant(StrEnum):
    """The model files a bundle can hold: `int8` is static int8 inside with float input and output."""

    INT8 = "int8"
    FP32 = "fp32"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a Linux board has to install before `run.py` works.

    `packages` are names on PyPI, without versions; `pictures` are needed for pictures only. `min_python` is
    the oldest Python that the package has wheels for on that architecture.
    """

    packages: tuple[str, ...]
    pictures: tuple[str, ...] = ("pillow",)
    min_python: str = "3.9"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One board. `ram_bytes` is all it has, `ram_free_bytes` what a program may count on beside the system;
    `flash_bytes` is the storage that such a board has at least free for one bundle.
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
    plain["variants"] = tuple(Variant(name) for name in plain["variants"])
    return Target(**plain, runtime=Runtime(**runtime))
