"""The description of a network inside a brought file: what may be in it, and how Keras 2 wrote it.

Keras builds whatever its description names. Here every name is looked at first, so that nothing but Keras's own layers
and the plain objects that they are made of is ever built; `safe_mode` is the second lock on the same door.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.engine.brought.refused import SAVE_ANEW, NotTakenError, quoted

MAX_NODES = 500_000
MAX_DEPTH = 200
NETWORKS = frozenset({"Sequential", "Functional", "Model"})
# Parts of Keras that a description may name: none of them reads files, fetches from the network or runs code.
MODULES = (
    "layers",
    "models",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "dtype_policies",
    "ops",
)
INTERNAL = frozenset(
    {"__numpy__", "__tensor__", "__keras_tensor__", "__bytes__", "__ellipsis__", "__tuple__", "slice"}
)
FUNCTION = "function"
LAMBDAS = frozenset({"Lambda", "__lambda__"})
FOREIGN = frozenset({"TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer"})
TEXTS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization", "Hashing", "HashedCrossing"})
KERAS_2_OPS = frozenset(
    {"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod"}
)
ANYTHING = object()
_OF_TRAINING = dict.fromkeys(("kernel_initializer", "kernel_regularizer", "kernel_constraint"), (ANYTHING,))
# What Keras 2 wrote into every layer of a kind, and Keras 3 does not know: with the values that change nothing of what
# the layer answers.
OBSOLETE: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "DepthwiseConv2D": {"groups": (1,), **_OF_TRAINING},
    "DepthwiseConv1D": {"groups": (1,), **_OF_TRAINING},
    "SeparableConv2D": {"groups": (1,), **_OF_TRAINING},
    "SeparableConv1D": {"groups": (1,), **_OF_TRAINING},
    "Conv2DTranspose": {"groups": (1,)},
    "LSTM": {"time_major": (False,), "implementation": (0, 1, 2)},
    "GRU": {"time_major": (False,), "implementation": (0, 1, 2)},
    "SimpleRNN": {"time_major": (False,)},
    "Bidirectional": {"time_major": (False,)},
    "RNN": {"time_major": (False,)},
}


def check(config: Any) -> None:
    """NotTakenError for anything in a model's description that is not a stock part of Keras, with its name."""
    if not isinstance(config, dict) or config.get("class_name") not in NETWORKS:
        name = config.get("class_name") if isinstance(config, dict) else None
        raise NotTakenError(
            f"The model is a class of its own ({quoted(name)}), whose code is not in the file. Build it from Keras's "
            "layers as a Sequential or functional model, or export it: model.export('folder'), and zip that folder."
        )
    for node in _nodes(config.get("config")):
        _check_node(node)


def _check_node(node: Mapping[str, Any]) -> None:
    name, module, registered = (node.get(key) for key in ("class_name", "module", "registered_name"))
    if name in LAMBDAS:
        raise NotTakenError(
            "The model has a Lambda layer: Python code inside the file, which is never run here. Put a layer of "
            "Keras's in its place (Rescaling, Activation, Reshape, …), or export the model as a SavedModel: "
            "model.export('folder'), and zip that folder."
        )
    if name in KERAS_2_OPS:
        raise NotTakenError(
            "The model calls TensorFlow functions between its layers, which Keras 2 wrote in a way that Keras 3 cannot "
            "read. Save it as a SavedModel instead, model.save('folder'), and bring a zip of that folder."
        )
    if name in FOREIGN:
        raise NotTakenError(
            f"The layer {quoted(name)} holds another program's code, which is never run here."
        )
    if name in TEXTS:
        raise NotTakenError(
            f"The layer {quoted(name)} reads texts or keys, and boards take pictures and numbers only. Bring the part "
            "of the model behind it."
        )
    if name == FUNCTION:
        _check_function(node)
    elif name not in INTERNAL and (_is_custom(module, registered) or not _is_known(name)):
        raise NotTakenError(
            f"The model has a part of its own, {quoted(registered or name)}, whose code is not in the file. Use "
            "Keras's own layers in its place, or export the model as a SavedModel: model.export('folder'), and zip "
            "that folder."
        )


def _check_function(node: Mapping[str, Any]) -> None:
    import keras

    if not isinstance(node.get("config"), str) or not hasattr(keras.activations, str(node["config"])):
        raise NotTakenError(
            f"The model uses a function of its own, {quoted(node.get('config'))}, whose code is not in the file. Use "
            "one of Keras's activations, or export the model as a SavedModel: model.export('folder'), and zip it."
        )


def _is_custom(module: object, registered: object) -> bool:
    """Whether the description says that the object is none of Keras's own."""
    if isinstance(registered, str) and ">" in registered:
        return True
    if module is None:
        return False
    if module == "keras":
        return False
    parts = str(module).removeprefix("keras.src.").removeprefix("keras.").split(".")
    return not str(module).startswith("keras.") or parts[0] not in MODULES


def _is_known(name: object) -> bool:
    """Whether Keras has a layer, an initializer or an operation of that name."""
    import keras
    from keras.src import ops

    if not isinstance(name, str):
        return False
    rooms: tuple[Any, ...] = (
        keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.dtype_policies,
    )  # fmt: skip
    operations: tuple[Any, ...] = (ops.numpy, ops.nn, ops.math, ops.core, ops.linalg, ops.image)
    return name in NETWORKS or any(
        isinstance(getattr(room, name, None), type) for room in (*rooms, *operations)
    )


def _nodes(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that a description describes, wherever it stands."""
    waiting, seen = [(config, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise NotTakenError(f"The network's description is far too long or too deep. {SAVE_ANEW}")
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list) and not _is_plain(value):
            waiting.extend((inner, depth + 1) for inner in value)


def _is_plain(values: list[Any]) -> bool:
    """Whether these are numbers alone: constants inside a network may be long."""
    return all(isinstance(value, int | float) for value in values)


def _is_idle(value: Any, idle: tuple[Any, ...]) -> bool:
    """Whether a value that Keras 3 does not know may be left out."""
    return ANYTHING in idle or value in idle


def upgraded(config: Any) -> Any:
    """A description as Keras 2 wrote it, without what Keras 3 does not know and what makes no difference."""
    if isinstance(config, list):
        return config if _is_plain(config) else [upgraded(value) for value in config]
    if not isinstance(config, dict):
        return config
    obsolete = OBSOLETE.get(config["class_name"], {}) if isinstance(config.get("class_name"), str) else {}
    inner = config.get("config")
    if obsolete and isinstance(inner, dict):
        kept = {name: value for name, value in inner.items() if not _is_idle(value, obsolete.get(name, ()))}
        config = {**config, "config": kept}
    return {name: upgraded(value) for name, value in config.items()}
