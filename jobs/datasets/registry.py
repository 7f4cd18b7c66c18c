"""What higher rooms tell this one, when they start (`AppConfig.ready`)."""

from collections.abc import Callable

from jobs.datasets.models import Dataset

USERS: list[Callable[[Dataset], bool]] = []
"""Each says whether something under way needs the dataset, so that it may not be deleted now."""


def in_use(dataset: Dataset) -> bool:
    """Whether anything under way needs the dataset."""
    return any(uses(dataset) for uses in USERS)
