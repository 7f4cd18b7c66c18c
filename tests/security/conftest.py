"""The portal's web process as it really runs, for what only a real connection shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datasets.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(Path(tmp_path_factory.mktemp("home"))) as running:
        yield running
