"""Layers in the order that keeps the least alive at once: the file's, or one in which each next layer is the one that
leaves the fewest bytes alive, whichever peaks lower.
"""

from hardware.fpga.ir import Graph, Layer
from hardware.fpga.memory import words_of


def order_layers(graph: Graph, word: int) -> Graph:
    """`word`: bytes of a word of the engine's memory, by which values are measured."""
    greedy = graph.with_layers(_greedy(graph, word))
    return greedy if peak(greedy, word) < peak(graph, word) else graph


def peak(graph: Graph, word: int) -> int:
    """The most words alive at once; a layer's inputs and its output are alive together."""
    left = _uses(graph)
    alive, most = {graph.input}, 0
    for layer in graph.layers:
        alive.add(layer.output)
        most = max(most, _words(graph, alive, word))
        alive -= _spent(layer, left)
    return most


def _greedy(graph: Graph, word: int) -> tuple[Layer, ...]:
    left, waiting, ordered = _uses(graph), list(graph.layers), list[Layer]()
    alive = {graph.input}
    while waiting:
        ready = [layer for layer in waiting if all(number in alive for number in layer.inputs)]
        chosen = min(ready, key=lambda layer: _after(graph, layer, alive, left, word))
        alive.add(chosen.output)
        alive -= _spent(chosen, left)
        waiting.remove(chosen)
        ordered.append(chosen)
    return tuple(ordered)


def _after(graph: Graph, layer: Layer, alive: set[int], left: dict[int, int], word: int) -> int:
    """Words alive when the layer is done."""
    return _words(graph, (alive | {layer.output}) - _spent(layer, dict(left)), word)


def _uses(graph: Graph) -> dict[int, int]:
    """How often each value is still read; the output once more, by the host."""
    left = {number: len(graph.readers(number)) for number in graph.values}
    left[graph.output] += 1
    return left


def _spent(layer: Layer, left: dict[int, int]) -> set[int]:
    """Counts a layer's reading, and tells which of its inputs nobody reads any more."""
    for number in set(layer.inputs):
        left[number] -= 1
    return {number for number in layer.inputs if left[number] == 0}


def _words(graph: Graph, numbers: set[int], word: int) -> int:
    return sum(words_of(graph.values[number], word) for number in numbers)
