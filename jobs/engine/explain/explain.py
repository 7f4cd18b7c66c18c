"""`explanations` of a report: why a trained network answers as it does, in plain JSON values.

A list of what could be said, each with its `kind`: `attribution-maps` for pictures, `confident-mistakes` for classes,
`permutation-importance` and `surrogate-rules` for tables, and `left-out` for what could not, with the `reason`.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from jobs.engine import exhausted
from jobs.engine.data import Arrays
from jobs.engine.ends import InterruptedByRequestError
from jobs.engine.events import Reporter
from jobs.engine.explain import choosing
from jobs.engine.explain.gradients import Floats, make_gradients
from jobs.engine.explain.importance import permutation_importance
from jobs.engine.explain.integrated import STEPS, IntegratedGradients
from jobs.engine.explain.pictures import Shown, attribution_maps
from jobs.engine.explain.surrogate import Answered, surrogate_rules, thinned
from jobs.engine.explain.watch import Watch

NO_MEMORY = "There was not enough memory for it beside the training."
NO_TIME = "There was no time left for it."
NO_GRADIENTS = "The maps need a network that was trained under TensorFlow or JAX."
UNEXPECTED = "It failed unexpectedly; the job's log says where."
Found = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A trained network: `predict` gives its output for inputs [n, …], `output` is that of the test split.

    `batch` is how many samples at once its training had memory for.
    """

    model: keras.Model
    predict: Callable[[NDArray[Any]], Floats]
    output: Floats
    batch: int
    seed: int


Explain = Callable[[Trained, Arrays, Watch], Found | str]


def explanations(
    trained: Trained, arrays: Arrays, reporter: Reporter, watch: Watch | None = None
) -> list[Found]:
    """All that can be explained, in bounded time. Raises InterruptedByRequestError when asked to leave, else nothing:
    what fails is left out, for a training must not be lost for want of its explanation.
    """
    watch = watch or Watch(reporter)
    found: list[Found] = []
    if arrays.labels:
        names = arrays.names("test")
        found.append(choosing.confident_mistakes(trained.output, arrays.test.y, arrays.labels, names))
    wanted: dict[str, Explain] = {"attribution-maps": _maps} if arrays.kind == "images" else TABLES
    for number, (kind, explain) in enumerate(wanted.items()):
        watch.part(number / len(wanted), (number + 1) / len(wanted))
        found.append(_tried(kind, explain, trained, arrays, watch, reporter))
    return found


def _tried(
    kind: str, explain: Explain, trained: Trained, arrays: Arrays, watch: Watch, reporter: Reporter
) -> Found:
    """What was found, or why there is nothing."""
    try:
        found = NO_TIME if watch.over else explain(trained, arrays, watch)
    except InterruptedByRequestError:
        raise
    # Whatever it is, the trained model and its measurements are worth more; the log keeps the traceback.
    except Exception as error:  # noqa: BLE001
        reporter.log(traceback.format_exc())
        found = NO_MEMORY if exhausted.is_out_of_memory(error) else UNEXPECTED
    return {"kind": "left-out", "of": kind, "reason": found} if isinstance(found, str) else found


def _maps(trained: Trained, arrays: Arrays, watch: Watch) -> Found | str:
    gradients = make_gradients(trained.model)
    if gradients is None:
        return NO_GRADIENTS
    attribute = IntegratedGradients(gradients, batch=min(STEPS, trained.batch))
    shown = Shown(arrays.test.x, trained.output, arrays.test.y, arrays.labels, arrays.names("test"))
    found = attribution_maps(attribute, trained.predict, shown, seed=trained.seed, watch=watch)
    return found if found["examples"] else NO_TIME


def _importance(trained: Trained, arrays: Arrays, watch: Watch) -> Found | str:
    names = [column["name"] for column in _columns(arrays)]
    x, y = arrays.test
    found = permutation_importance(trained.predict, x, y, names, seed=trained.seed, watch=watch)
    return found if found["repeats"] else NO_TIME


def _rules(trained: Trained, arrays: Arrays, watch: Watch) -> Found | str:
    columns = _columns(arrays)

    def answered(x: NDArray[Any], y: NDArray[Any], output: Floats | None = None) -> Answered:
        if output is None:
            kept = thinned(x, len(columns), trained.seed)
            x, y = x[kept], y[kept]
            output = trained.predict(x)
        return Answered(x, output.argmax(axis=1) if arrays.labels else output[:, 0], y)

    found = surrogate_rules(
        columns,
        arrays.labels,
        answered(*arrays.train),
        answered(*arrays.validation),
        answered(*arrays.test, trained.output),
        watch,
    )
    return found or NO_TIME


def _columns(arrays: Arrays) -> list[Any]:
    index = arrays.index
    return list(index["columns"]) if index["kind"] == "table" else []


TABLES: dict[str, Explain] = {
    "permutation-importance": _importance,
    "surrogate-rules": _rules,
}
