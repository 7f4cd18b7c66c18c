"""One portal for all tests here that do not break it, as an operator runs it: figures guarded, logs as JSON."""

from collections.abc import Iterator

import pytest

from tests.e2e.portal import Portal, Scripter, digits_zip

METRICS_TOKEN = "the-monitoring-s-own-token"


@pytest.fixture(scope="session")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    extra = {"GRISTMILL_METRICS_TOKEN": METRICS_TOKEN, "GRISTMILL_LOG_FORMAT": "json"}
    made = Portal(tmp_path_factory.mktemp("operated"), extra=extra)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def eve(mill: Portal) -> Scripter:
    return mill.member("eve")


@pytest.fixture(scope="session")
def data(eve: Scripter) -> str:
    return eve.dataset("Digits", "image-classification", "digits.zip", digits_zip(300))
