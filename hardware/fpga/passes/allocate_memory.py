"""Where each value lies: two that are alive at once never overlap."""

from hardware.fpga.ir import Graph, Reshape, as_map
from hardware.fpga.memory import MemoryMap, words_of


def allocate_memory(graph: Graph, word: int) -> MemoryMap:
    """Largest first, each at the lowest address that is free while it lives (Pisarchyk & Lee 2020, arXiv 2001.03288).

    A value lives from the layer that makes it to the last that reads it, the input from before the first layer, the
    output till after the last: a layer never writes over what it reads. A reshape that leaves every byte where it is
    shares the place of what it reads.
    """
    shared = _shared(graph, word)
    lives, sizes = _lives(graph, shared, word)
    placed: dict[int, tuple[range, range]] = {}
    for number in sorted(sizes, key=lambda number: (-sizes[number], number)):
        at = 0
        for place, life in sorted(placed.values(), key=lambda each: each[0].start):
            if life.start < lives[number].stop and lives[number].start < life.stop:
                if at + sizes[number] <= place.start:
                    break
                at = max(at, place.stop)
        placed[number] = (range(at, at + sizes[number]), lives[number])
    addresses = {number: placed[root][0].start for number, root in shared.items()}
    return MemoryMap(word, addresses, max((place.stop for place, _ in placed.values()), default=0))


def _shared(graph: Graph, word: int) -> dict[int, int]:
    """Of each value, the one whose place it has: mostly itself."""
    roots = {graph.input: graph.input}
    for layer in graph.layers:
        source, out = graph.values[layer.inputs[0]], graph.values[layer.output]
        depths = as_map(source.shape)[2], as_map(out.shape)[2]
        stays = depths[0] == depths[1] or not (depths[0] % word or depths[1] % word)
        same = isinstance(layer, Reshape) and stays
        roots[layer.output] = roots[source.number] if same else layer.output
    return roots


def _lives(graph: Graph, shared: dict[int, int], word: int) -> tuple[dict[int, range], dict[int, int]]:
    """Of each place: the steps that it is needed in, and its words. Step 0 is the loading of the input."""
    first = {shared[graph.input]: 0}
    last = {shared[graph.input]: 0}
    for step, layer in enumerate(graph.layers, start=1):
        first.setdefault(shared[layer.output], step)
        for number in (*layer.inputs, layer.output):
            last[shared[number]] = step
    last[shared[graph.output]] = len(graph.layers) + 1
    sizes = {number: words_of(graph.values[number], word) for number in first}
    return {number: range(first[number], last[number] + 1) for number in first}, sizes
