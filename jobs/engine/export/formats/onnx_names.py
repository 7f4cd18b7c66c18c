"""The names in an ONNX file, without what the process did before: tf2onnx and TensorFlow count across conversions."""

import re
from typing import Any

# What the counters leave in names; of equal constants, which one is kept depends on them too.
_COUNTERS = re.compile(r"__\d+|(?<=/Const)_\d+")


def renamed(content: bytes) -> bytes:
    """The same model: values and nodes go by the names of their layers, told apart in order of use where need be."""
    import onnx

    model = onnx.load_model_from_string(content)
    graph = model.graph
    graph.doc_string = ""
    for port in [*graph.input, *graph.output]:
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    if not any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        _rename(graph)
    return bytes(model.SerializeToString(deterministic=True))


def _rename(graph: Any) -> None:
    """Of a graph without graphs in it, which could use its values. Initializers are put in order of use."""
    found: dict[str, str] = {each.name: each.name for each in [*graph.input, *graph.output]} | {"": ""}
    taken = set(found)

    def name(old: str) -> str:
        if old not in found:
            found[old] = _free(_COUNTERS.sub("", old), taken)
        return found[old]

    nodes: set[str] = set()
    for node in graph.node:
        node.name = _free(_COUNTERS.sub("", node.name), nodes)
        node.input[:] = [name(each) for each in node.input]
        node.output[:] = [name(each) for each in node.output]
    order = {new: place for place, new in enumerate(found.values())}
    for each in graph.initializer:
        each.name = name(each.name)
    ordered = sorted(graph.initializer, key=lambda each: order.get(each.name, len(order)))
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)


def _free(wanted: str, taken: set[str]) -> str:
    """`wanted`, with a number where it is taken; it is taken then."""
    chosen, number = wanted, 1
    while chosen in taken:
        number += 1
        chosen = f"{wanted}#{number}"
    taken.add(chosen)
    return chosen
