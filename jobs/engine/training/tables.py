"""The trainer of both table recipes."""

import numpy as np

from jobs.engine import data
from jobs.engine.ends import BadDataError
from jobs.engine.events import Reporter
from jobs.engine.networks import Network, table_network
from jobs.engine.pixels import SPLITS
from jobs.engine.recipes.sizing.data import Data
from jobs.engine.recipes.tables import TableParams, TableRegressorParams
from jobs.engine.tables import TableEncoding, learn_encoding
from jobs.engine.task import TrainTask
from jobs.engine.training.fitting import settled
from jobs.engine.training.results import Summary
from jobs.engine.training.session import Problem, check_splits, make_learner, train


def train_table(task: TrainTask, params: TableParams, reporter: Reporter) -> Summary:
    """Train a table classifier or regressor; see jobs.engine.main for the contract of a trainer."""
    regression = isinstance(params, TableRegressorParams)
    index = data.open_index(task.data)
    if index["kind"] != "table":
        raise BadDataError("This recipe learns from tables, and the data are pictures.")
    arrays, columns = data.load(task.data, task.cache, task.data_key), index["columns"]
    if regression == bool(arrays.labels):
        raise BadDataError(
            "The label column does not suit this recipe: classes need the classifier, numbers the regressor."
        )
    check_splits(arrays.counts(), None if regression else len(arrays.labels))
    if not all(np.isfinite(arrays.split(name).y).all() for name in SPLITS):
        raise BadDataError(
            "The label column has values that are no finite numbers; correct or remove those rows."
        )
    encoding = learn_encoding(columns, arrays.train.x, arrays.train.y, regression=regression)
    if not encoding.features:
        raise BadDataError("The table has no column to learn from besides the label.")
    classes = len(arrays.labels)

    def network(tried: TableParams) -> Network:
        return table_network(
            encoding, classes=classes or None, width=tried.width, hidden=tried.layers, dropout=tried.dropout
        )

    params, fit = settled(task, params, _data(encoding, classes), network, reporter)
    learner = make_learner(network(params), classes=classes)
    problem = Problem(
        arrays=arrays,
        input={"kind": "table", "columns": columns, "encoding": encoding.as_json()},
        mean=encoding.target_mean,
        scale=encoding.target_scale,
        fit=fit,
    )
    return train(task, params, learner, problem, reporter)


def _data(encoding: TableEncoding, classes: int) -> Data:
    return Data(
        classes=classes,
        columns=encoding.columns,
        numbers=len(encoding.numbers),
        flagged=len(encoding.flagged),
        categories=tuple(count for _, count in encoding.categories),
    )
