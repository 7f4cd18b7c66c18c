"""What the web process takes at rest, and that TensorFlow is not in it."""

from pathlib import Path

import psutil

from benchmarks.row import Row
from tests.e2e.portal import Portal, Scripter

MIB = 1024**2
GOAL_MB = 150


def measure(portal: Portal) -> list[Row]:
    scripter = Scripter(portal, "rest", _token(portal))
    for path in ("/me", "/jobs", "/datasets", "/recipes", "/nodes", "/schema"):
        scripter.http.get(path)
    web = portal.child("uvicorn")
    resident = psutil.Process(web.pid).memory_info().rss / MIB
    maps = Path(f"/proc/{web.pid}/maps").read_text(encoding="utf-8")
    heavy = "tensorflow" in maps
    return [
        Row("web process at rest, resident", f"{resident:.0f} MB", goal=f"≤ {GOAL_MB} MB", met=resident <= GOAL_MB),
        Row("TensorFlow in the web process", "yes" if heavy else "no", goal="no", met=not heavy),
    ]  # fmt: skip


def _token(portal: Portal) -> str:
    return portal.member("rest").token
