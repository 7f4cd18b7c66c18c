"""From the click to the first training step: warm through the portal, against the same engine started cold."""

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from websockets.sync.client import connect

from benchmarks.row import Row
from tests.e2e.portal import ROOT, Portal, Scripter, digits_zip

ROUNDS = 5
GOAL_S = 2.0
GOAL_RATIO = 6.0


def measure(portal: Portal) -> list[Row]:
    member = portal.member("click")
    content = digits_zip(1000)
    dataset = member.dataset("Digits", "image-classification", "digits.zip", content)
    body = {"recipe": "image-classifier", "dataset": dataset, "params": {"epochs": 50, "early_stop": False}}
    warm = [click(member, body) for _round in range(ROUNDS + 1)][1:]
    cold = cold_start(portal, dataset, content)
    median = statistics.median(warm)
    return [
        Row("click → first training step, warm, median", f"{median:.2f} s", f"the same, cold: {cold:.1f} s",
            f"{cold / median:.1f} times sooner", f"≤ {GOAL_S:.0f} s, ≥ {GOAL_RATIO:.0f} times",
            median <= GOAL_S and cold / median >= GOAL_RATIO),
    ]  # fmt: skip


def click(member: Scripter, body: dict) -> float:
    """Seconds from the POST to the first step, as a browser on the job's page sees it."""
    began = time.perf_counter()
    job = member.post("/jobs", body)
    address = member.portal.address.replace("http", "ws", 1) + f"/ws/jobs/{job['id']}"
    with connect(address, additional_headers={"Authorization": f"Token {member.token}"}) as socket:
        while True:
            message = json.loads(socket.recv(timeout=60))
            if message["type"] == "progress" and message.get("step", 0) > 0:
                break
    seconds = time.perf_counter() - began
    member.post(f"/jobs/{job['id']}/cancel", status=202)
    member.ended(job)
    return seconds


def cold_start(portal: Portal, dataset: str, content: bytes) -> float:
    """Seconds from starting a plain process to its first step, on the same data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("data", "cache", "out"):
            (folder / part).mkdir()
        (folder / "data" / "upload").write_bytes(content)
        (folder / "data" / "index.json.gz").write_bytes(index_of(portal))
        task = {
            "kind": "train", "recipe": "image-classifier", "params": {"epochs": 50, "early_stop": False},
            "data": str(folder / "data"), "data_key": dataset, "cache": str(folder / "cache"),
            "out": str(folder / "out"), "resume": None, "warm_start": None, "threads": 2, "memory_mb": None,
        }  # fmt: skip
        (folder / "task.json").write_text(json.dumps(task))
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.engine", "--task", str(folder / "task.json")],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            return _first_step(process) - began
        finally:
            process.kill()
            process.wait()


def index_of(portal: Portal) -> bytes:
    """The index that validation made of the thousand digits, from the portal's store."""
    for blob in (portal.home / "blobs").glob("*/*"):
        try:
            found = json.loads(gzip.decompress(blob.read_bytes()))
        except (OSError, ValueError):
            continue
        if found.get("kind") == "images" and len(found["samples"]) == 1000:
            return blob.read_bytes()
    raise LookupError("no index was stored")


def _first_step(process: "subprocess.Popen[str]") -> float:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("type") == "progress" and event.get("step", 0) > 0:
            return time.perf_counter()
    raise RuntimeError("the engine ended before its first step")
