"""One portal for all end-to-end tests that do not break it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brought.conftest import old  # noqa: F401 - a fixture
from tests.e2e.portal import Portal, Scripter, digits_zip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    made = Portal(tmp_path_factory.mktemp("home"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def ada(portal: Portal) -> Scripter:
    """A member who uses the API."""
    return portal.member("ada")


@pytest.fixture(scope="session")
def digits(ada: Scripter) -> str:
    """The id of ada's dataset of 600 handwritten digits."""
    return ada.dataset("Digits", "image-classification", "digits.zip", digits_zip())
