"""All passes in their order: from a graph as read to what a program for the engine is written from."""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.fpga.ir import Graph
from hardware.fpga.memory import MemoryMap
from hardware.fpga.passes.allocate_memory import allocate_memory
from hardware.fpga.passes.fold_zero_points import fold_zero_points
from hardware.fpga.passes.fuse_activations import fuse_activations
from hardware.fpga.passes.fuse_padding import fuse_padding
from hardware.fpga.passes.lower_add import lower_add
from hardware.fpga.passes.lower_dense import lower_dense
from hardware.fpga.passes.lower_pooling import lower_pooling
from hardware.fpga.passes.lower_rounding import lower_rounding
from hardware.fpga.passes.order_layers import order_layers

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    fuse_padding,
    fuse_activations,
    fold_zero_points,
    lower_pooling,
    lower_add,
    lower_dense,
    lower_rounding,
)


@dataclass(frozen=True, eq=False)
class Plan:
    """The engine's layers in the order that they run, and where their values lie."""

    graph: Graph
    memory: MemoryMap


def planned(graph: Graph, *, word: int) -> Plan:
    """`word`: how many channels the engine reads at once, one byte each. UnsupportedError as its passes raise it."""
    return placed(lowered(graph), word=word)


def lowered(graph: Graph) -> Graph:
    """All passes but the last two."""
    for lower in PASSES:
        graph = lower(graph)
    return graph


def placed(graph: Graph, *, word: int) -> Plan:
    """The last two: an order and a place for everything."""
    graph = order_layers(graph, word)
    return Plan(graph, allocate_memory(graph, word))
