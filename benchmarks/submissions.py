"""How fast jobs are taken in, and how soon one runs on an idle machine."""

import statistics
import time
from datetime import datetime

from benchmarks.row import Row
from tests.e2e.portal import Portal, Scripter, digits_zip

SUBMISSIONS = 300
STARTS = 7
GOAL_RATE = 100
GOAL_START_S = 1.0


def measure(portal: Portal) -> list[Row]:
    member = portal.member("rate")
    dataset = member.dataset("Digits", "image-classification", "digits.zip", digits_zip(200))
    body = {"recipe": "image-classifier", "dataset": dataset, "params": {"epochs": 1, "early_stop": False}}
    warm_up(member, body)
    start = statistics.median(starts(member, body))
    rate = submissions(member, body)
    return [
        Row("submit → running, idle machine, median", f"{start:.2f} s", "Slurm 22.05: 2.0 s", f"{start / 2.0:.2f}",
            f"≤ {GOAL_START_S:.0f} s", start <= GOAL_START_S),
        Row("submissions a second, one client, SQLite", f"{rate:.0f}", "jobd 0.5.52: 35", f"{rate / 35:.1f}",
            f"≥ {GOAL_RATE}", rate >= GOAL_RATE),
    ]  # fmt: skip


def warm_up(member: Scripter, body: dict) -> None:
    assert member.ended(member.post("/jobs", body))["status"] == "succeeded"


def starts(member: Scripter, body: dict) -> list[float]:
    """Seconds from submission to running, by the portal's own times, one job after the other."""
    found = []
    for _number in range(STARTS):
        job = member.ended(member.post("/jobs", body))
        created, started = (datetime.fromisoformat(job[name]) for name in ("created_at", "started_at"))
        found.append((started - created).total_seconds())
    return found


def submissions(member: Scripter, body: dict) -> float:
    """Sequential submissions a second; what was queued is cancelled afterwards."""
    began = time.perf_counter()
    jobs = [member.post("/jobs", body) for _number in range(SUBMISSIONS)]
    rate = SUBMISSIONS / (time.perf_counter() - began)
    for job in reversed(jobs):
        member.http.post(f"/jobs/{job['id']}/cancel")
    for job in jobs:
        member.ended(job)
    return rate
