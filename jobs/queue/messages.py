"""What the engine says, checked: it comes out of a sandbox in which a member's data was read, so it is not trusted."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

MAX_TEXT = 20_000
MAX_STEP = 2**53  # what JSON's readers hold exactly, and the database's columns hold too
MAX_DEPTH = 20
# PostgreSQL takes no NUL, UTF-8 no half of a pair; other control characters would steer the terminal of a log's reader.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
Number = Annotated[float, Field(allow_inf_nan=True)]
Step = Annotated[int, Field(ge=0, le=MAX_STEP)]
Seconds = Annotated[float, Field(ge=0, le=MAX_STEP, allow_inf_nan=False)]
Epoch = Annotated[float, Field(ge=0, le=MAX_STEP)]


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Started(Message):
    type: Literal["started"]


class Progress(Message):
    type: Literal["progress"]
    phase: str = Field("", max_length=40)
    fraction: float = Field(0.0, ge=0.0, le=1.0)
    step: Step = 0
    steps: Step = 0
    epoch: Epoch = 0.0
    epochs: Epoch = 0.0
    steps_per_s: Seconds | None = None


class MetricValues(Message):
    type: Literal["metric"]
    step: Step
    epoch: Epoch | None = None
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
    step: Step
    path: str = Field(max_length=400)
    checkpoint_s: Seconds | None = None


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
    Started | Progress | MetricValues | Log | CheckpointFile | ArtefactFile | Done,
    Field(discriminator="type"),
]
ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


def parse(event: object) -> AnyMessage | None:
    """The message in `event`, or None when it is none that we know, or could not be stored."""
    try:
        return ADAPTER.validate_python(_storable(event, MAX_DEPTH))
    except ValueError:  # pydantic's is one
        return None


def _storable(value: object, depth: int) -> object:
    """`value` with every text as a database takes it. ValueError when it goes deeper than `depth`."""
    if isinstance(value, str):
        return plain(value)
    if not isinstance(value, (dict, list)):
        return value
    if depth == 0:
        raise ValueError("too deep")
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    return {_storable(name, depth - 1): _storable(item, depth - 1) for name, item in value.items()}


def plain(text: str) -> str:
    """`text` without what a database can't store."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
