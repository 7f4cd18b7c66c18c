"""The integer reference: a graph run in numpy, bit for bit as LiteRT's reference kernels (`BUILTIN_REF`) run its file.

What the circuit is compared with. Any graph runs, as read from a file or after any of the passes.
"""

import numpy as np

from hardware.fpga.edges import softmax
from hardware.fpga.ir import Graph, Int8s
from hardware.fpga.kernels import computed
from hardware.fpga.memory import MemoryMap

_TOGETHER = 64  # vectors; their patches fit in the cache of a common processor's last level


def run(graph: Graph, vectors: Int8s) -> dict[int, Int8s]:
    """Every value, by number, for `vectors` (n, *shape of the input); the host's softmax too."""
    values = {graph.input: vectors.reshape(-1, *graph.values[graph.input].shape)}
    for layer in graph.layers:
        inputs = [values[number] for number in layer.inputs]
        values[layer.output] = computed(layer, inputs, graph.values[layer.output])
    if graph.host.softmax is not None:
        values[graph.host.softmax.output] = softmax(graph.host.softmax, values[graph.output])
    return values


def answers(graph: Graph, vectors: Int8s) -> Int8s:
    """The last value alone (softmax included), for as many vectors as there are: (n, *its shape)."""
    last = graph.output if graph.host.softmax is None else graph.host.softmax.output
    parts = [run(graph, vectors[at : at + _TOGETHER])[last] for at in range(0, len(vectors), _TOGETHER)]
    return np.concatenate(parts) if parts else np.empty((0, *graph.values[last].shape), np.int8)


def run_in_memory(graph: Graph, memory: MemoryMap, vector: Int8s) -> Int8s:
    """The engine's output for one vector, every value kept where `memory` says and nowhere else.

    A place that was given away too early shows as a wrong output.
    """
    words = np.zeros((memory.words, memory.word), np.int8)

    def store(number: int, value: Int8s) -> None:
        size = graph.values[number]
        words[memory.rows(size)] = memory.packed(size, value)

    def load(number: int) -> Int8s:
        size = graph.values[number]
        return memory.unpacked(size, words[memory.rows(size)])[None]

    store(graph.input, vector)
    for layer in graph.layers:
        inputs = [load(number) for number in layer.inputs]
        store(layer.output, computed(layer, inputs, graph.values[layer.output])[0])
    answer: Int8s = load(graph.output)[0]
    return answer
