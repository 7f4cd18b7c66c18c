"""Portals that are treated badly: one on SQLite, one on PostgreSQL, made when first needed and mended between tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.portal import ENDED, digits_zip
from tests.faults.cluster import cluster
from tests.faults.mill import Mill, Patient, until
from tests.faults.phases import is_over
from tests.faults.record import Record

Ground = tuple[Mill, Patient, str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("faults")


@pytest.fixture(scope="session")
def sqlite_mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    made = Mill(tmp_path_factory.mktemp("mill"))
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def postgres_mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with cluster() as database:
        home = tmp_path_factory.mktemp("pgmill")
        made = Mill(home, extra={"DATABASE_URL": database.address()}, cluster=database)
        made.start()
        yield made
        assert made.stop() == 0


class Eves:
    """The one member of each portal, with her digits."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Patient, str]] = {}

    def of(self, mill: Mill) -> tuple[Patient, str]:
        if mill.home not in self._known:
            eve = mill.patient("eve", steward=True)
            digits = eve.dataset("Digits", "image-classification", "digits.zip", digits_zip())
            self._known[mill.home] = (eve, digits)
        return self._known[mill.home]


@pytest.fixture(scope="session")
def eves() -> Eves:
    return Eves()


def mended(mill: Mill, eve: Patient) -> None:
    """After a test, however it went: everything runs, and nothing of it is under way."""
    if mill.process is None or mill.process.poll() is not None:
        mill.start()
    mill.resume()
    for job in eve.get("/jobs?limit=20")["results"]:
        if job["status"] not in ENDED:
            eve.http.post(f"/jobs/{job['id']}/cancel")
            until(is_over(eve, job), "a job that can't be cancelled")


@pytest.fixture
def mill(sqlite_mill: Mill, eves: Eves) -> Iterator[Mill]:
    """The portal on SQLite, unless a module has one of its own."""
    sqlite_mill.warm()
    yield sqlite_mill
    mended(sqlite_mill, eves.of(sqlite_mill)[0])


@pytest.fixture
def eve(mill: Mill, eves: Eves) -> Patient:
    return eves.of(mill)[0]


@pytest.fixture
def data(mill: Mill, eves: Eves) -> str:
    return eves.of(mill)[1]


def ground_for(request: pytest.FixtureRequest, eves: Eves, victim: str) -> Ground:
    """The portal on which this victim is killed, its member and her digits."""
    mill: Mill = request.getfixturevalue("postgres_mill" if victim == "postgres" else "sqlite_mill")
    eve, data = eves.of(mill)
    request.addfinalizer(lambda: mended(mill, eve))
    mill.warm()
    return mill, eve, data


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    return Record(request.node.nodeid)
