"""A TensorFlow SavedModel as a Keras model: its signature's graph, frozen, written anew in layers of Keras's own.

A SavedModel is a program. Its operations are looked through before TensorFlow loads it, only a graph of known plain
ones is ever run, and the Keras model is taken only if it answers as that graph does.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from jobs.engine.brought.graph import Graph, translated
from jobs.engine.brought.refused import NotTakenError, first_line, quoted, ran_out_of_memory
from jobs.engine.export.dataless import vectors

GRAPH_FILE = "saved_model.pb"
FOLDERS = ("variables", "assets")
SIGNATURE = "serving_default"
MAX_GRAPH_BYTES = 256 * 1024**2
# What touches files, other programs, the network, the console or tables kept outside of the graph.
HARMFUL = ("File", "PyFunc", "Reader", "Dataset", "Iterator", "Table", "Debug", "Print", "Record", "Summary", "Rpc",
           "Socket", "Queue", "Kafka", "Bigtable", "Send", "Recv")  # fmt: skip
PLUMBING = frozenset({"MergeV2Checkpoints", "ShardedFilename"})  # of what saves the variables
COMPARED = 8
OFF_BY = 1e-3  # of the largest answer
AS_KERAS = "Bring the model as a .keras or .h5 file instead."


def place_of(entries: list[zipfile.ZipInfo]) -> Callable[[PurePosixPath], PurePosixPath | None]:
    """Where each file of the zip goes, None for what no model needs. NotTakenError for several models in one zip."""
    graphs = [
        PurePosixPath(entry.filename) for entry in entries if PurePosixPath(entry.filename).name == GRAPH_FILE
    ]
    graphs = [path for path in graphs if "__MACOSX" not in path.parts]
    if len(graphs) != 1:
        raise NotTakenError(
            f"The zip holds {len(graphs)} SavedModels; pack one folder, that of the model to bring."
        )
    top = graphs[0].parent

    def place(path: PurePosixPath) -> PurePosixPath | None:
        if not path.is_relative_to(top):
            return None
        inside = path.relative_to(top)
        wanted = inside == PurePosixPath(GRAPH_FILE) or inside.parts[0] in FOLDERS
        return inside if wanted else None

    return place


def read(folder: Path) -> Any:
    """The Keras model of the SavedModel in `folder`. NotTakenError says why there is none."""
    _check_operations(folder / GRAPH_FILE)
    try:
        graph = _frozen(folder)
        model = translated(graph)
        _compare(model, graph)
    except NotTakenError:
        raise
    except Exception as error:
        if ran_out_of_memory(error):
            raise MemoryError from error
        raise NotTakenError(
            f"TensorFlow cannot open the SavedModel: {first_line(error)} {AS_KERAS}"
        ) from error
    return model


def _check_operations(path: Path) -> None:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise NotTakenError(
            f"The SavedModel's graph is larger than {MAX_GRAPH_BYTES // 1024**2} MB. {AS_KERAS}"
        )
    found = SavedModel()
    try:
        found.ParseFromString(path.read_bytes())
    except (DecodeError, RuntimeError) as error:
        raise NotTakenError(
            "The SavedModel is damaged: its saved_model.pb cannot be read. Pack it anew."
        ) from error
    for meta in found.meta_graphs:
        nodes = [
            *meta.graph_def.node,
            *(node for each in meta.graph_def.library.function for node in each.node_def),
        ]
        for name in sorted({node.op for node in nodes} - PLUMBING):
            if any(part in name for part in HARMFUL):
                raise NotTakenError(
                    f"The SavedModel's graph has the operation {quoted(name)}, which is not run here: it reaches out "
                    f"of the model. {AS_KERAS}"
                )


def _frozen(folder: Path) -> Graph:
    """The signature's graph with its variables as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures.get(SIGNATURE)
    if signature is None:
        raise NotTakenError(
            f"The SavedModel has no signature {SIGNATURE!r}, which says how to call it. Export it by model.export()."
        )
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    for found, word in ((inputs, "inputs"), (outputs, "outputs")):
        if len(found) != 1:
            raise NotTakenError(
                f"The SavedModel's signature has {len(found)} {word}; models with one are taken."
            )
    spec = next(iter(inputs.values()))
    if spec.shape.rank is None or not (spec.dtype.is_floating or spec.dtype.is_integer):
        raise NotTakenError(
            f"The SavedModel's signature takes {spec.dtype.name} values of no fixed shape; numbers of a fixed shape "
            "are taken."
        )
    function = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    return Graph(function, tuple(spec.shape.as_list()), spec.dtype.name)


def _compare(model: Any, graph: Graph) -> None:
    """NotTakenError when the Keras model does not answer as the graph does."""
    import tensorflow as tf

    batch, *sides = graph.shape
    shape = tuple(side for side in sides if side is not None)
    if len(shape) < len(sides):
        return  # it will be refused for that, in words of its own
    x = vectors(shape, batch or COMPARED).astype(graph.dtype)
    wanted = np.asarray(tf.nest.flatten(graph.function(tf.constant(x)))[0])
    found = np.asarray(model(x, training=False))
    most = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))
    if found.shape != wanted.shape or not np.allclose(
        found, wanted, rtol=0, atol=OFF_BY * most, equal_nan=True
    ):
        raise NotTakenError(
            f"The SavedModel could not be read exactly: its answers came out differently. {AS_KERAS}"
        )
