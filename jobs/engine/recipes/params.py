"""What every recipe can be asked: the base of the parameter models that forms, the API and the engine read."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Epochs = Annotated[
    int,
    Field(
        title="Epochs",
        ge=1,
        le=1000,
        description="How often, at most, the training goes through all samples.",
    ),
]
BatchSize = Annotated[
    int,
    Field(
        title="Batch size",
        ge=1,
        le=1024,
        description="Samples taken together in one step. Smaller needs less memory, larger is faster on a GPU.",
    ),
]
LearningRate = Annotated[
    float,
    Field(
        title="Learning rate",
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="The largest step size; it warms up to it and then falls to nearly zero. Lower it if the loss "
        "becomes NaN.",
    ),
]
EarlyStop = Annotated[
    bool,
    Field(
        title="Stop early",
        description="End before the last epoch when the result on the validation samples no longer improves.",
    ),
]
Seed = Annotated[
    int,
    Field(
        title="Seed",
        ge=0,
        le=2**31 - 1,
        description="The start of all chance: the same seed on the same machine gives the same model.",
    ),
]
Dropout = Annotated[
    float,
    Field(
        title="Dropout",
        ge=0,
        le=0.8,
        description="The share of features hidden at random while training; more of it prevents learning by heart.",
    ),
]


class TrainParams(BaseModel):
    """The parameters that every recipe takes; recipes override the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Epochs = 40
    batch_size: BatchSize = 32
    learning_rate: LearningRate = 0.002
    early_stop: EarlyStop = True
    seed: Seed = 0
