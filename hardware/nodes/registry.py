"""What higher rooms tell of the machine's use: they register here when they start (`AppConfig.ready`)."""

from collections.abc import Callable

CLASSES: dict[str, Callable[[], frozenset[str]]] = {}


def use_classes(told: Callable[[], frozenset[str]]) -> Callable[[], frozenset[str]]:
    """Register what tells the accelerator classes that work can make use of. The same function twice counts once."""
    CLASSES[f"{told.__module__}.{told.__qualname__}"] = told
    return told


def classes_in_use() -> frozenset[str]:
    """The accelerator classes that some kind of work can make use of."""
    return frozenset[str]().union(*(told() for told in CLASSES.values()))
