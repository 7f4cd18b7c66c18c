"""A portal as `manage.py up` starts it: parts that stay away, are asked to end, or die again and again."""

import time

import httpx
import pytest

from tests.e2e.portal import digits_zip
from tests.faults import phases, sound
from tests.faults.mill import Mill, Patient, until
from tests.faults.sending import checked, form

ALIVE_S = 20.0


def test_without_redis_all_goes_on_a_little_slower(mill: Mill, eve: Patient, data: str) -> None:
    scene = phases.training(mill, eve, data)
    with mill.kept_down("redis"):
        scene.release()
        sound.succeeded(mill, eve, scene.job, ["done"])
        assert httpx.get(f"{mill.address}/account/login/").status_code == httpx.codes.OK
        endless = phases.submit(eve, data, epochs=1000)
        phases.has_learnt(eve, endless, 2)
        eve.post(f"/jobs/{endless['id']}/cancel", status=202)
        assert eve.ended(endless, timeout_s=ALIVE_S)["status"] == "cancelled"
        sound.succeeded(mill, eve, phases.submit(eve, data, epochs=1), ["done"])
        dataset = eve.post("/datasets", {"name": "No Redis", "task": "image-classification"})["id"]
        request, body = form(eve, dataset, digits_zip(60))
        assert request.ended_with(body) is not None
    assert checked(eve, f"/datasets/{dataset}/versions/1")["state"] == "ready"


def test_a_redis_that_hangs_holds_nobody_up_for_long(mill: Mill, eve: Patient, data: str) -> None:
    scene = phases.training(mill, eve, data)
    frozen = mill.part("redis")
    frozen.suspend()
    try:
        scene.release()
        sound.succeeded(mill, eve, scene.job, ["done"])
        began = time.monotonic()
        assert httpx.get(f"{mill.address}/account/login/", timeout=30).status_code == httpx.codes.OK
        assert time.monotonic() - began < ALIVE_S
        sound.succeeded(mill, eve, phases.submit(eve, data, epochs=1), ["done"])
    finally:
        frozen.resume()


def test_a_worker_that_is_asked_to_end_saves_and_gives_back(mill: Mill, eve: Patient, data: str) -> None:
    scene = phases.training(mill, eve, data)
    scene.release()
    mill.part("node").terminate()
    sound.succeeded(mill, eve, scene.job, ["drained", "done"])


def test_the_portal_ends_and_starts_with_a_job_running(mill: Mill, eve: Patient, data: str) -> None:
    scene = phases.training(mill, eve, data)
    scene.release()
    assert mill.stop() == 0
    mill.start()
    sound.succeeded(mill, eve, scene.job, ["drained", "done"])


def test_a_job_that_takes_its_node_down_twice_is_not_tried_a_third_time(
    mill: Mill, eve: Patient, data: str
) -> None:
    before = eve.get("/me")["usage"]["device_hours"]["cpu"]
    scene = phases.training(mill, eve, data)
    mill.part("node").kill()
    until(lambda: len(eve.get(scene.path)["attempts"]) == 2, "it is not tried again")
    until(lambda: eve.get(scene.path)["status"] == "running", "it does not run again")
    mill.part("node").kill()
    done = sound.ended(mill, eve, scene.job, ["node_lost", "node_lost"])
    assert (done["status"], done["end_reason"]) == ("failed", "lost_too_often")
    last = eve.get(f"{scene.path}/events")[-1]
    assert (last["reason"], "not tried any more" in last["sentence"]) == ("lost_too_often", True)
    assert eve.get("/me")["usage"]["device_hours"]["cpu"] == pytest.approx(before)


def test_after_a_power_cut_what_a_check_and_an_attempt_had_written_is_gone(mill: Mill, eve: Patient) -> None:
    """Though neither is gone on with: an attempt's folder goes at the start, a check's with the next check."""
    mill.crash()
    for place in ("work/checks/gone.1/thumb", "node/attempts/gone/out/model"):
        (mill.home / place).parent.mkdir(parents=True)
        (mill.home / place).write_bytes(b"half")
    mill.start()
    eve.dataset("After the cut", "image-classification", "digits.zip", digits_zip(60))
    sound.tidy(mill, eve)
