"""What jobs are placed by: the class of an accelerator, and of an FPGA board also which it is.

`fpga` is where a node's tools build and prove bitstreams; `fpga:ulx3s-85f` is such a board. Nothing that is meant for
the one can run on another. Hours and prices go by the class alone.
"""

from hardware.nodes.models import AcceleratorKind
from hardware.targets.fpga import FPGA, TOOLCHAIN, board_of
from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from portal.ledger.queries import KINDS

BOARDS: dict[str, str] = {target.name: f"{AcceleratorKind.FPGA}:{target.name}" for target in FPGA}
"""The place of each board, by its target's name."""

PLACES: tuple[str, ...] = (*KINDS, *BOARDS.values())
_NOWHERE = f"{AcceleratorKind.FPGA}:?"  # a board that no bundles are built for


def place_of(kind: str, model: str) -> str:
    """Of an accelerator by its class and model."""
    if kind != AcceleratorKind.FPGA or model == TOOLCHAIN:
        return kind
    return BOARDS.get(board_of(model), _NOWHERE)


def kind_of(place: str) -> str:
    """The class of a place."""
    return place.partition(":")[0]


def builds_on(target: str) -> str:
    """Where bundles for a target are built."""
    is_board = TARGETS[target].kind is Kind.FPGA
    return str(AcceleratorKind.FPGA if is_board else AcceleratorKind.CPU)
