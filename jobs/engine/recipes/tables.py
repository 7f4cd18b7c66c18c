"""Tables to classes or to numbers: a small dense network that scales and encodes its columns itself."""

from typing import Annotated

from pydantic import Field

from hardware.targets.profiles import Kind
from jobs.engine.recipes.params import BatchSize, Dropout, Epochs, LearningRate, TrainParams
from jobs.engine.recipes.recipe import Recipe
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.sizing.net import Net
from jobs.engine.recipes.sizing.search import Knobs, Sizing, downwards
from jobs.engine.recipes.sizing.tables import table_net

LEAST_WIDTH, WIDTH_STEP = 4, 4


class TableParams(TrainParams):
    """Parameters of both table recipes."""

    epochs: Epochs = 100
    batch_size: BatchSize = 32
    learning_rate: LearningRate = 0.004
    width: Annotated[
        int,
        Field(title="Width", ge=LEAST_WIDTH, le=1024, description="Neurons in each hidden layer."),
    ] = 64
    layers: Annotated[
        int,
        Field(title="Hidden layers", ge=0, le=8, description="None makes a linear model."),
    ] = 2
    dropout: Dropout = 0.1


class TableClassifierParams(TableParams):
    """Parameters of the table classifier."""


class TableRegressorParams(TableParams):
    """Parameters of the table regressor."""


def _net(params: TableParams, data: Data) -> Net:
    return table_net(data, width=params.width, hidden=params.layers)


def _knobs(params: TableParams, _data: Data) -> Knobs:
    """Fewer hidden layers, and fewer neurons in each."""
    depths = tuple(range(params.layers, -1, -1))
    return Knobs("layers", depths, downwards(params.width, LEAST_WIDTH, WIDTH_STEP)[::-1])


SIZING = Sizing(_net, _knobs)

CLASSIFIER = Recipe(
    name="table-classifier",
    task="table-classification",
    title="Table classifier",
    description="Learns to predict a label from the other columns of a table. Missing values, different scales and "
    "text categories are handled inside the model.",
    params=TableClassifierParams,
    target_kinds=frozenset(Kind),
    trainer="jobs.engine.training.tables:train_table",
    sizing=SIZING,
)
REGRESSOR = Recipe(
    name="table-regressor",
    task="table-regression",
    title="Table regressor",
    description="Learns to predict a number from the other columns of a table. Missing values, different scales and "
    "text categories are handled inside the model.",
    params=TableRegressorParams,
    target_kinds=frozenset(Kind),
    trainer="jobs.engine.training.tables:train_table",
    sizing=SIZING,
)
