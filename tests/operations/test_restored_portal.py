"""The night the machine burnt: a backup taken while all was busy, put into an empty home, and the portal used there."""

import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.portal import Portal, Scripter, digits_zip

pytestmark = [pytest.mark.e2e, pytest.mark.long]
RECIPE = "image-classifier"


def test_a_portal_in_the_middle_of_its_work_goes_on_elsewhere(tmp_path: Path) -> None:
    first = Portal(tmp_path / "first")
    first.start()
    ann = first.member("ann")
    data = ann.dataset("Digits", "image-classification", "digits.zip", digits_zip(300))
    body = {"recipe": RECIPE, "dataset": data, "params": {"epochs": 2}, "targets": ["raspberry-pi-4"]}
    done = ann.ended(ann.post("/jobs", body))
    bundle = ann.wait(f"/bundles/{done['bundles'][0]}", lambda found: found["state"] != "building")
    assert bundle["state"] == "ready", bundle["reason"]
    endless = {"epochs": 1000, "early_stop": False}
    runs = ann.post("/jobs", {"recipe": RECIPE, "dataset": data, "params": endless})
    ann.wait(f"/jobs/{runs['id']}/metrics", lambda rows: len(rows) >= 3)
    has_checkpoint = (
        "from jobs.queue.models import Job; print(Job.objects.filter(checkpoint_step__gt=0).count())"
    )
    shell = ("shell", "--no-imports", "-v", "0", "-c", has_checkpoint)
    while first.manage(*shell).strip() != "1":
        pass
    with submitting(ann, data) as submitted:
        first.manage("backup", str(tmp_path / "mill.tar"))
    assert len(submitted) >= 1
    seen = ann.get(f"/jobs/{done['id']}"), ann.get(f"/bundles/{bundle['id']}")
    ann.post(f"/jobs/{runs['id']}/cancel", status=202)
    assert first.stop() == 0

    second = Portal(tmp_path / "second", port=first.port)
    second.manage("restore", str(tmp_path / "mill.tar"))
    second.start()
    again = Scripter(second, ann.name, ann.token)
    assert (again.get(f"/jobs/{done['id']}"), again.get(f"/bundles/{bundle['id']}")) == seen
    assert_verified(again, bundle, tmp_path)
    path = f"/jobs/{runs['id']}"
    went_on = again.wait(path, lambda job: len(job["attempts"]) == 2 and job["status"] == "running")
    assert [attempt["end_reason"] for attempt in went_on["attempts"]] == ["node_lost", None]
    again.wait(f"{path}/events", lambda _found: "Going on from step" in again.http.get(f"{path}/logs").text)
    assert again.get(path)["status"] == "running"
    again.post(f"{path}/cancel", status=202)
    again.ended(went_on)
    assert second.stop() == 0


@contextmanager
def submitting(member: Scripter, dataset: str) -> Iterator[list[str]]:
    """In the block the member goes on submitting jobs; their ids."""
    over, ids = threading.Event(), list[str]()

    def submit() -> None:
        while not over.wait(0.2):
            job = member.post("/jobs", {"recipe": RECIPE, "dataset": dataset, "params": {"epochs": 1}})
            ids.append(job["id"])

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()
        for job in ids:
            member.http.post(f"/jobs/{job}/cancel")


def assert_verified(member: Scripter, bundle: dict[str, str], folder: Path) -> None:
    """The bundle is what it was, and its signature is by the key that this portal shows."""
    content = member.http.get(bundle["download"]).content
    assert hashlib.sha256(content).hexdigest() == bundle["sha256"]
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        packed.extractall(folder / "pi")
    (folder / "key.pem").write_text(member.http.get("/signing-key").text)
    (run,) = (folder / "pi").glob("*/run.py")
    verified = subprocess.run(
        [sys.executable, "-I", str(run), "--verify", "--key", str(folder / "key.pem")],
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
