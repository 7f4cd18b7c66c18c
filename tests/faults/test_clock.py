"""A portal on one machine, whose clock is set while a job runs: everything there goes by it, the database included."""

import time
from collections.abc import Iterator

import pytest

from tests.faults import phases, sound
from tests.faults.clocks import COMPILER, MISSING, Clock
from tests.faults.conftest import Eves, mended
from tests.faults.mill import Mill, Patient

pytestmark = pytest.mark.skipif(COMPILER is None, reason=MISSING)
SWEEPS_S = 8.0  # until everything that judges has looked


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    made = Clock(tmp_path_factory.mktemp("clock"))
    made.make()
    return made


@pytest.fixture(scope="module")
def mill(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    made = Mill(tmp_path_factory.mktemp("clockmill"), extra=clock.env)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def eve(mill: Mill, eves: Eves) -> Iterator[Patient]:
    yield eves.of(mill)[0]
    mended(mill, eves.of(mill)[0])


@pytest.mark.parametrize("jump", [2, 0, -2], ids=["two_hours_on", "and_back", "two_hours_back"])
def test_the_machines_clock_jumps(mill: Mill, eve: Patient, data: str, clock: Clock, jump: int) -> None:
    """Two hours on, back, and two hours back: each time from where the one before left it."""
    hours = eve.get("/me")["usage"]["device_hours"]["cpu"]
    scene = phases.training(mill, eve, data)
    clock.jump(jump)
    time.sleep(SWEEPS_S)
    scene.release()
    sound.succeeded(mill, eve, scene.job, ["done"])
    used = eve.get("/me")["usage"]["device_hours"]["cpu"] - hours
    assert 0 < used < 0.1
    sound.succeeded(mill, eve, phases.submit(eve, data, epochs=1), ["done"])
