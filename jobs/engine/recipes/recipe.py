"""What a recipe is: a built-in trainer with typed parameters."""

from dataclasses import dataclass
from typing import Any

from hardware.targets.profiles import Kind
from hardware.targets.registry import TARGETS
from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.sizing.search import Sizing


@dataclass(frozen=True)
class Recipe:
    """One entry of the registry. Knows no TensorFlow.

    `target_kinds` are the kinds of target that its models can be built for. `trainer` is "module:function", resolved
    in the training process alone and called as `function(task, params, reporter)`; see jobs.engine.main. `sizing` tells
    how large its networks are before any is built.
    """

    name: str
    task: str
    title: str
    description: str
    params: type[TrainParams]
    target_kinds: frozenset[Kind]
    trainer: str
    sizing: Sizing

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets that its models can be built for."""
        return tuple(
            name for name, target in TARGETS.items() if target.kind in self.target_kinds and target.buildable
        )

    def params_schema(self) -> dict[str, Any]:
        """JSON Schema of the parameters, to draw a form from."""
        return self.params.model_json_schema()
