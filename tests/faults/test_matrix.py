"""Victim × phase: whoever is killed, in whatever phase, the work ends once, and well."""

import time
from datetime import datetime

import pytest

from tests.e2e.portal import digits_zip
from tests.faults import phases, sound
from tests.faults.conftest import Eves, Ground, ground_for
from tests.faults.matrix import CELLS
from tests.faults.mill import until
from tests.faults.phases import Scene
from tests.faults.record import Record
from tests.faults.victims import VICTIMS, back


@pytest.fixture
def ground(request: pytest.FixtureRequest, eves: Eves, victim: str) -> Ground:
    return ground_for(request, eves, victim)


def struck(scene: Scene, victim: str, record: Record) -> None:
    """Kill, and note when the part was back; then let the work go on."""
    began = time.time()
    VICTIMS[victim].strike(scene)
    if victim != "all":
        back(scene.mill, victim)
        record("back", victim=victim, seconds=time.time() - began)
    scene.release()
    if "id" in scene.job and VICTIMS[victim].attempts:
        _time_of_recovery(scene, began, victim, record)


def _time_of_recovery(scene: Scene, began: float, victim: str, record: Record) -> None:
    """From the kill until the job waits again, and until it runs again."""

    def since(status: str) -> float | None:
        events = scene.eve.get(f"{scene.path}/events")
        later = [datetime.fromisoformat(e["at"]).timestamp() for e in events if e["new"] == status]
        return next((at - began for at in later if at > began), None)

    requeued = until(lambda: since("queued"), "it is not queued again")
    running = until(lambda: since("running"), "it does not run again")
    record("recovery", victim=victim, requeued=requeued, running=running)


@pytest.mark.parametrize("victim", CELLS["start"])
def test_start(ground: Ground, victim: str, record: Record) -> None:
    scene = phases.starting(*ground)
    struck(scene, victim, record)
    sound.succeeded(*ground[:2], scene.job, [*VICTIMS[victim].attempts, "done"])


@pytest.mark.parametrize("victim", CELLS["training"])
def test_training(ground: Ground, victim: str, record: Record) -> None:
    loses = bool(VICTIMS[victim].attempts)
    scene = phases.training(*ground, checkpoint=loses)
    struck(scene, victim, record)
    sound.succeeded(*ground[:2], scene.job, [*VICTIMS[victim].attempts, "done"])
    if scene.checkpoint is not None:
        sound.resumed_at(scene.eve, scene.job, scene.checkpoint)


@pytest.mark.parametrize("victim", CELLS["evaluation"])
def test_evaluation(ground: Ground, victim: str, record: Record) -> None:
    scene = phases.evaluating(*ground)
    struck(scene, victim, record)
    sound.succeeded(*ground[:2], scene.job, [*VICTIMS[victim].attempts, "done"])
    if VICTIMS[victim].attempts:
        sound.resumed_at(scene.eve, scene.job, phases.FEW * phases.STEPS)


@pytest.mark.parametrize("victim", CELLS["export"])
def test_export(ground: Ground, victim: str, record: Record) -> None:
    mill, eve, data = ground
    model = eve.ended(phases.submit(eve, data, epochs=phases.FEW))["model"]
    scene = phases.exporting(mill, eve, model, "raspberry-pi-4")
    struck(scene, victim, record)
    sound.succeeded(mill, eve, scene.job, [*VICTIMS[victim].attempts, "done"])
    assert eve.get(f"/bundles/{scene.job['bundle']}")["state"] == "ready"


@pytest.mark.parametrize("victim", CELLS["validation"])
def test_validation(ground: Ground, victim: str, record: Record) -> None:
    mill, eve, _data = ground
    scene = phases.checking(mill, eve, f"Checked without {victim}", digits_zip(60))
    began = time.monotonic()
    VICTIMS_OF_CHECKS.get(victim, VICTIMS[victim].strike)(scene)
    scene.release()
    version = eve.wait(scene.job["path"], lambda v: v["state"] != "validating")
    record("checked", victim=victim, seconds=time.monotonic() - began)
    assert version["state"] == "ready", version["reason"]
    assert version["report"]["samples"] == 60
    sound.tidy(mill, eve)


def _checker(scene: Scene) -> None:
    scene.held.kill()


def _helper(scene: Scene) -> None:
    scene.mill.part("helper").kill()


VICTIMS_OF_CHECKS = {"child": _checker, "node": _helper}
