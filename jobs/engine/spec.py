"""What may be asked of the queue: the one definition that form, API and engine read. Knows no TensorFlow."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from jobs.engine.recipes.params import TrainParams
from jobs.engine.recipes.registry import RECIPES


class JobKind(StrEnum):
    """Every kind of job there is; POST /jobs takes those of `JobSpec.kind`."""

    TRAIN = "train"
    TUNE = "tune"
    SCRIPT = "script"
    BUILD = "build"
    EVALUATE = "evaluate"
    IMPORT = "import"


class SubmittedKind(StrEnum):
    """The kinds of job that a member may submit today."""

    TRAIN = "train"


class PixelRange(StrEnum):
    """What a brought model wants the values of a picture to be. Boards read 0 to 255; the model is made to fit."""

    BYTES = "0..255"
    UNIT = "0..1"
    SIGNED = "-1..1"


class AcceleratorClass(StrEnum):
    """What a job asks to run on."""

    ANY = "any"
    CPU = "cpu"
    GPU = "gpu"
    TPU = "tpu"
    FPGA = "fpga"


class Resources(BaseModel):
    """What a job asks of a node; empty fields are left to the scheduler."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accelerator: Annotated[
        AcceleratorClass, Field(title="Runs on", description="Any takes whatever is free first.")
    ] = AcceleratorClass.ANY
    count: Annotated[
        int, Field(title="How many", ge=1, le=64, description="Accelerators at once, on one node.")
    ] = 1
    memory_mb: Annotated[
        int | None,
        Field(title="Memory (MB)", ge=256, le=4_194_304, description="The job ends if it takes more."),
    ] = None
    max_minutes: Annotated[
        int | None,
        Field(title="Time limit (minutes)", ge=1, le=43_200, description="The job ends after so long."),
    ] = None


MEMORY_STEP_MB = 256


def memory_to_ask(wanted_bytes: int) -> int:
    """The `memory_mb` that lets a job have so many bytes with a tenth to spare."""
    step = MEMORY_STEP_MB * 1024 * 1024
    return -(-wanted_bytes * 11 // (10 * step)) * MEMORY_STEP_MB


class JobSpec(BaseModel):
    """The body of POST /jobs. `params` come out complete: validated by the recipe's model, defaults filled in.

    Raises pydantic's ValidationError, whose `loc` is the field's path (("params", "epochs")).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SubmittedKind = SubmittedKind.TRAIN
    recipe: Annotated[str, Field(min_length=1, max_length=100)]
    dataset: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[int | None, Field(ge=1)] = None
    params: dict[str, Any] = Field(default_factory=dict)
    resources: Resources = Field(default_factory=Resources)
    targets: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=32)] = (
        Field(default_factory=list)
    )
    fit: Annotated[
        bool,
        Field(
            title="Make it fit",
            description="If a target can't hold the model, the largest that all targets hold is trained instead: "
            "narrower, less deep, or with smaller pictures.",
        ),
    ] = False
    warm_start: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    name: Annotated[str, Field(max_length=120)] = ""

    @model_validator(mode="before")
    @classmethod
    def _complete_params(cls, data: Any) -> Any:
        """Replace params by the recipe's own, complete; their errors keep their places under "params"."""
        if not isinstance(data, dict):
            return data
        recipe, given = data.get("recipe"), data.get("params", {})
        if not isinstance(recipe, str) or not isinstance(given, dict):
            return data
        if recipe not in RECIPES:
            raise _errors(
                [("recipe",)], "unknown_recipe", f"There is no such recipe; there are: {', '.join(RECIPES)}"
            )
        try:
            complete = validate_params(recipe, given)
        except ValidationError as error:
            raise _below("params", error) from error
        return {**data, "params": complete.model_dump(mode="json")}

    @model_validator(mode="after")
    def _sound_targets(self) -> Self:
        if len(set(self.targets)) != len(self.targets):
            raise _errors([("targets",)], "repeated_target", "Name each target once")
        if self.fit and not self.targets:
            raise _errors([("targets",)], "nothing_to_fit", "Name the targets that the model is to fit")
        return self


def validate_params(recipe: str, params: dict[str, Any]) -> TrainParams:
    """The parameters of a recipe with its defaults filled in; ValidationError when they do not fit."""
    return RECIPES[recipe].params.model_validate(params)


def _errors(places: list[tuple[str, ...]], code: str, sentence: str) -> ValidationError:
    details = [
        InitErrorDetails(
            type=PydanticCustomError(code, "{sentence}", {"sentence": sentence}), loc=place, input=None
        )
        for place in places
    ]
    return ValidationError.from_exception_data("JobSpec", details)


def _below(field: str, error: ValidationError) -> ValidationError:
    details = [
        InitErrorDetails(
            type=PydanticCustomError("params", "{sentence}", {"sentence": found["msg"]}),
            loc=(field, *found["loc"]),
            input=found["input"],
        )
        for found in error.errors()
    ]
    return ValidationError.from_exception_data("JobSpec", details)
