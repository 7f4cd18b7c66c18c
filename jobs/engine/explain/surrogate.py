"""A few rules that answer nearly as a table's network does, and how nearly.

A surrogate in the sense of Craven and Shavlik 1996, "Extracting Tree-Structured Representations of Trained Networks"
(NIPS 8): a decision tree (CART, Breiman et al. 1984, by scikit-learn) is fitted to the network's answers instead of the
truth. Its fidelity, measured on rows that neither of them saw, says how far its rules may be taken for the network's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.datasets.formats.index import TableColumn
from jobs.engine.explain.features import Features, conditions
from jobs.engine.explain.gradients import Floats
from jobs.engine.explain.watch import Watch

LEAVES = (2, 3, 4, 6, 8, 12)
# As good as the best, where fewer rules say it.
NEARLY = 0.01
MOST_CELLS = 2_000_000
LEAST_ROWS, SMALLEST_SHARE = 2, 0.005


@dataclass(frozen=True)
class Answered:
    """Rows [n, columns] with what the network answered, [n]: label numbers (int64) or values; `y` is the truth."""

    x: Floats
    answers: NDArray[Any]
    y: NDArray[Any]


def surrogate_rules(
    columns: Sequence[TableColumn],
    labels: Sequence[str],
    train: Answered,
    validation: Answered,
    test: Answered,
    watch: Watch,
) -> dict[str, Any] | None:
    """Rules learned from `train`, as few as come within 0.01 of the best fidelity on `validation`, measured on `test`.

    Fidelity is the share of equal answers for classes, R² for values; `without_rules` is what one answer for all rows
    would have. None when time was up before the first tree.
    """
    features = Features.of(columns, train.x)
    least = max(LEAST_ROWS, round(SMALLEST_SHARE * len(train.y)))
    seen, held = features.matrix(train.x), features.matrix(validation.x)
    trees: list[tuple[float, Any]] = []
    for place, leaves in enumerate(LEAVES):
        watch.tick(place / len(LEAVES))
        if watch.over:
            break
        tree = _tree(leaves, least, classes=bool(labels)).fit(seen, train.answers)
        trees.append((fidelity(validation.answers, tree.predict(held)), tree))
    if not trees:
        return None
    best = max(value for value, _ in trees)
    tree = next(tree for value, tree in trees if value >= best - NEARLY)
    return _described(tree, features, labels, test)


def fidelity(answers: NDArray[Any], said: NDArray[Any]) -> float:
    """Share of equal label numbers, or R² of values towards `answers` (0 where these are all the same)."""
    if answers.dtype == np.int64:
        return float((answers == said).mean())
    spread = float(((answers - answers.mean(dtype=np.float64)) ** 2).sum())
    return 1 - float(((answers - said) ** 2).sum()) / spread if spread else 0.0


def thinned(x: NDArray[Any], columns: int, seed: int) -> NDArray[np.int64]:
    """The places of the rows to learn from: all, or as many as a tree is grown from in about a second."""
    most = max(200, MOST_CELLS // max(columns, 1))
    return np.sort(np.random.default_rng(seed).permutation(len(x))[:most])


def _tree(leaves: int, least: int, *, classes: bool) -> Any:
    # Imported here: for pictures it need not be loaded.
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    return kind(max_leaf_nodes=leaves, min_samples_leaf=least, random_state=0)


def _described(tree: Any, features: Features, labels: Sequence[str], test: Answered) -> dict[str, Any]:
    rows = features.matrix(test.x)
    said, leaf = tree.predict(rows), tree.apply(rows)
    if labels:
        common = np.bincount(test.answers, minlength=len(labels)).max() / max(len(test.y), 1)
    rules = [_rule(tree, node, path, labels, test, leaf == node, features) for node, path in _paths(tree)]
    rules.sort(key=lambda rule: -rule["rows"])
    return {
        "kind": "surrogate-rules",
        "measure": "agreement" if labels else "r2",
        "fidelity": fidelity(test.answers, said),
        "without_rules": float(common) if labels else 0.0,
        "quality": fidelity(test.y, said),
        "rows": len(test.y),
        "rules": rules,
    }


def _rule(
    tree: Any,
    node: int,
    path: Sequence[tuple[int, float, bool]],
    labels: Sequence[str],
    test: Answered,
    here: NDArray[np.bool_],
    features: Features,
) -> dict[str, Any]:
    """One leaf as a rule: `rows` is the share of the test rows it is for; `agrees` how many of these the network
    answers alike, `spread` the standard deviation of its values there. None where there are no such rows.
    """
    answers, found = test.answers[here], conditions(path, features)
    rule: dict[str, Any] = {"conditions": found, "rows": float(here.mean())}
    if labels:
        answer = int(tree.classes_[tree.tree_.value[node][0].argmax()])
        agrees = float((answers == answer).mean()) if len(answers) else None
        return {**rule, "answer": labels[answer], "agrees": agrees}
    spread = float(answers.std()) if len(answers) else None
    return {**rule, "value": float(tree.tree_.value[node][0][0]), "spread": spread}


def _paths(tree: Any) -> list[tuple[int, list[tuple[int, float, bool]]]]:
    """Every leaf's node with the way to it: (feature, threshold, whether at most the threshold)."""
    grown = tree.tree_
    waiting: list[tuple[int, list[tuple[int, float, bool]]]] = [(0, [])]
    found = []
    while waiting:
        node, path = waiting.pop()
        left, right = int(grown.children_left[node]), int(grown.children_right[node])
        if left < 0:
            found.append((node, path))
            continue
        split = int(grown.feature[node]), float(grown.threshold[node])
        waiting += [(right, [*path, (*split, False)]), (left, [*path, (*split, True)])]
    return found
