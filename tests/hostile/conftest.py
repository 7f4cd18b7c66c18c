"""One portal for all that is hostile to it, and a member who is."""

from collections.abc import Iterator

import pytest

from tests.datasets.conftest import make_dataset, make_version  # noqa: F401 - fixtures
from tests.e2e.portal import Portal, Scripter

VALIDATION_MEMORY_MB = 1400


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    made = Portal(
        tmp_path_factory.mktemp("home"), extra={"GRISTMILL_VALIDATION_MEMORY_MB": str(VALIDATION_MEMORY_MB)}
    )
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def mallory(portal: Portal) -> Scripter:
    return portal.member("mallory")
