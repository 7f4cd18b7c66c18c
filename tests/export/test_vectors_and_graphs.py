"""Choosing self-test vectors, and reading what a model file says about itself."""

import numpy as np
import pytest

from jobs.engine.export.selftest import Candidate, choose, limit_of


def candidate(lead: list[float], off: list[float]) -> Candidate:
    """Two classes whose lead over the other is given, and how far the reference kernels are off."""
    outputs = np.array([[0.5 + value / 2, 0.5 - value / 2] for value in lead], dtype=np.float32)
    return Candidate(outputs, outputs + np.array(off, dtype=np.float32)[:, None], 0.1)


def test_clear_and_agreed_vectors_come_first() -> None:
    found = candidate([0.9, 0.1, 0.8, 0.9], [0, 0, 0, 0.08])
    assert choose({"int8": found}, np.array([0, 0, 1, 1]), count=2).tolist() == [0, 2]
    # Too few: filled up by lead, those on which kernels disagree last.
    assert choose({"int8": found}, np.array([0, 0, 1, 1]), count=3).tolist() == [0, 1, 2]


def test_all_classes_have_a_turn() -> None:
    found = candidate([0.9, 0.8, 0.7, 0.6], [0, 0, 0, 0])
    assert choose({"int8": found}, np.array([0, 0, 0, 1]), count=2).tolist() == [0, 3]


def test_every_variant_must_be_clear() -> None:
    clear, vague = candidate([0.9, 0.9], [0, 0]), candidate([0.1, 0.9], [0, 0])
    assert choose({"int8": clear, "fp32": vague}, np.array([0, 0]), count=1).tolist() == [1]


@pytest.mark.parametrize(
    ("variant", "outputs", "step", "limit"),
    [
        ("int8", [[0.0, 1.0]], 1 / 256, 8 / 256),
        ("int8", [[0.0, 1.0]], None, 8 / 256),
        ("int8", [[0.0], [510.0]], None, 16.0),
        ("fp32", [[0.0, 1.0]], None, 1e-4),
        ("fp32", [[-2000.0], [1000.0]], None, 0.2),
    ],
)
def test_tolerances(variant: str, outputs: list[list[float]], step: float | None, limit: float) -> None:
    assert limit_of(variant, np.array(outputs, dtype=np.float32), step) == pytest.approx(limit)
