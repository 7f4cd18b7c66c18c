"""Work is brought into a phase and held there by stopping a process of it: the product knows nothing of that."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.portal import ENDED
from tests.faults.mill import Job, Mill, Patient, until

STEPS = 15  # in an epoch of 600 digits
EPOCHS = 30
FEW = 4
CHECKPOINT_S = 10.0  # an epoch that ends so long after the last checkpoint begins with one
TRIES = 5
SLICE_S = 0.002
TOLD_S = 2.0


@dataclass
class Scene:
    """Work in a phase: `held` is the stopped process, `job` what it is for (a job, or a version's address)."""

    mill: Mill
    eve: Patient
    job: Job
    held: psutil.Process
    checkpoint: int | None = None

    def release(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.held.resume()

    @property
    def path(self) -> str:
        return f"/jobs/{self.job['id']}"


def submit(eve: Patient, data: str, *, epochs: int, **more: object) -> Job:
    params = {"epochs": epochs, "early_stop": False, "width": 4}
    job: Job = eve.post(
        "/jobs", {"recipe": "image-classifier", "dataset": data, "params": params, "name": "Digits", **more}
    )
    return job


def starting(mill: Mill, eve: Patient, data: str) -> Scene:
    """Claimed by a node whose warm parent does not fork."""
    warm = mill.warm()
    warm.suspend()
    scene = Scene(mill, eve, submit(eve, data, epochs=FEW), warm)
    sql = "SELECT id FROM queue_attempt WHERE job_id = ? AND claimed_at IS NOT NULL"
    until(lambda: mill.rows(sql, scene.job["id"]), "no node took it")
    assert eve.get(scene.path)["status"] == "starting"
    return scene


def training(mill: Mill, eve: Patient, data: str, *, checkpoint: bool = False) -> Scene:
    """Some epochs done; on wish with a checkpoint behind it, and a step or more since."""
    job = submit(eve, data, epochs=EPOCHS)
    has_learnt(eve, job, 2)
    scene = Scene(mill, eve, job, mill.child())
    scene.held.suspend()
    if checkpoint:
        time.sleep(CHECKPOINT_S)
        scene.held.resume()
        until(lambda: _checkpoint(scene) is not None, "no checkpoint")
        has_learnt(eve, job, len(eve.get(f"{scene.path}/metrics")) + 2)
        scene.held.suspend()
        scene.checkpoint = _checkpoint(scene)
    assert eve.get(scene.path)["status"] == "running"
    return scene


def has_learnt(eve: Patient, job: Job, epochs: int) -> None:
    until(lambda: len(eve.get(f"/jobs/{job['id']}/metrics")) >= epochs, "it does not learn")


def _checkpoint(scene: Scene) -> int | None:
    step: int | None = scene.mill.value("SELECT checkpoint_step FROM queue_job WHERE id = ?", scene.job["id"])
    return step


def evaluating(mill: Mill, eve: Patient, data: str) -> Scene:
    """The last checkpoint is written, the model is not. On a busy machine one slips through at times: then another."""
    for _try in range(TRIES):
        if scene := _evaluating(mill, eve, data):
            return scene
    raise AssertionError("it had got further than evaluation each time")


def _evaluating(mill: Mill, eve: Patient, data: str) -> Scene | None:
    """Let a job run in slices until then; None when it got further, and has ended."""
    job = submit(eve, data, epochs=FEW)
    scene = Scene(mill, eve, job, mill.child())
    scene.held.suspend()
    out, scene.checkpoint = mill.out_of(job), FEW * STEPS
    until(lambda: _said(scene, out) or _slice(scene), "the last checkpoint was not recorded", every=SLICE_S)
    if not list(out.glob("*.keras*")):
        return scene
    scene.held.resume()
    assert eve.ended(job)["status"] == "succeeded"
    return None


def _said(scene: Scene, out: Path) -> bool:
    """Whether the last checkpoint is written, and its node was told, which comes just after."""
    if not (out / f"checkpoint-{scene.checkpoint}.npz").exists():
        return False
    with contextlib.suppress(AssertionError):
        return until(lambda: _checkpoint(scene) == scene.checkpoint, "not yet told", within=TOLD_S)
    return False


def _slice(scene: Scene) -> None:
    """Let it run for a moment."""
    assert scene.held.is_running()
    scene.held.resume()
    time.sleep(SLICE_S)
    scene.held.suspend()


def exporting(mill: Mill, eve: Patient, model: str, target: str) -> Scene:
    """A build job that converts the model."""
    bundle = eve.post("/bundles", {"model": model, "target": target})
    job = {"id": bundle["job"], "bundle": bundle["id"]}
    child = mill.child()
    out = mill.out_of(job)
    until(lambda: list(out.glob(".export-*")), "it does not export", every=SLICE_S)
    child.suspend()
    assert eve.get(f"/jobs/{job['id']}")["status"] == "running"
    return Scene(mill, eve, job, child)


def checking(mill: Mill, eve: Patient, name: str, content: bytes) -> Scene:
    """A version whose check has begun."""
    dataset = eve.post("/datasets", {"name": name, "task": "image-classification"})["id"]
    answer = eve.http.post(f"/datasets/{dataset}/versions", files={"file": ("digits.zip", content)})
    number = answer.json()["number"]
    checker = mill.checker()
    checker.suspend()
    path = f"/datasets/{dataset}/versions/{number}"
    assert eve.get(path)["state"] == "validating"
    return Scene(mill, eve, {"path": path, "dataset": dataset}, checker)


def is_over(eve: Patient, job: Job) -> Callable[[], Job | None]:
    def look() -> Job | None:
        found: Job = eve.get(f"/jobs/{job['id']}")
        return found if found["status"] in ENDED else None

    return look
