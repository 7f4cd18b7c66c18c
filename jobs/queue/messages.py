"""What the engine says, checked: it comes out of a sandbox in which a member's data was read, so it is not trusted."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

MAX_TEXT = 20_000
Number = Annotated[float, Field(allow_inf_nan=True)]


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Started(Message):
    type: Literal["started"]


class Progress(Message):
    type: Literal["progress"]
    phase: str = Field("", max_length=40)
    fraction: float = Field(0.0, ge=0.0, le=1.0)
    step: int = Field(0, ge=0)
    steps: int = Field(0, ge=0)
    epoch: float = Field(0, ge=0)
    epochs: float = Field(0, ge=0)


class MetricValues(Message):
    type: Literal["metric"]
    step: int = Field(ge=0)
    epoch: float | None = None
    values: dict[Annotated[str, Field(max_length=60)], Number] = Field(max_length=50)

    @field_validator("values")
    @classmethod
    def only_finite(cls, values: dict[str, float]) -> dict[str, float]:
        """JSON has no NaN, and neither has the contract: such values are left out."""
        return {name: value for name, value in values.items() if math.isfinite(value)}


class Log(Message):
    type: Literal["log"]
    text: str = Field(max_length=MAX_TEXT)


class CheckpointFile(Message):
    type: Literal["checkpoint"]
    step: int = Field(ge=0)
    path: str = Field(max_length=400)


class ArtefactFile(Message):
    type: Literal["artefact"]
    name: str = Field(max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str = Field(max_length=400)


class Done(Message):
    type: Literal["done"]
    reason: str = Field(max_length=40)
    message: str = Field("", max_length=2000)
    summary: dict[str, Any] = Field(default_factory=dict)


AnyMessage = Annotated[
    Started | Progress | MetricValues | Log | CheckpointFile | ArtefactFile | Done, Field(discriminator="type")
]
ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


def parse(event: object) -> AnyMessage | None:
    """The message in `event`, or None when it is none that we know."""
    try:
        return ADAPTER.validate_python(event)
    except ValidationError:
        return None
