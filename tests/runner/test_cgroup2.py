"""Control groups of version 2 on a real kernel: a group given to the portal, as systemd's Delegate=yes does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.runner import cgroups
from jobs.runner.limits import MIB

TOP = next(
    (
        Path(line.split()[4])
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if " - cgroup2 " in line
    ),
    Path("/nonexistent"),
)
ROOT = Path(__file__).parents[2]
OFFERED = (TOP / "cgroup.controllers").read_text().split() if (TOP / "cgroup.controllers").exists() else []
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not {"memory", "pids"} <= set(OFFERED),
    reason="needs root and cgroup v2 with its controllers",
)
PORTAL = """
import json, subprocess, sys
from pathlib import Path
from jobs.runner import cgroups
beside = subprocess.Popen(["/bin/sleep", "30"])
found = cgroups.find()
group = cgroups.create(found, memory_bytes=50 << 20, processes=10)
held = subprocess.run([sys.executable, "-c", "x = b'x' * (200 << 20)"],
                      preexec_fn=lambda: group.add(__import__("os").getpid())).returncode
print(json.dumps({
    "version": found.version,
    "parents": {name: str(path) for name, path in found.parents.items()},
    "own": Path("/proc/self/cgroup").read_text().split("0::")[1].strip(),
    "beside": Path(f"/proc/{beside.pid}/cgroup").read_text().split("0::")[1].strip(),
    "exit": held, "over": group.over_memory(), "peak": group.peak(),
    "again": cgroups.find() == found,
}))
group.remove()
beside.kill()
"""


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A unit's group, as systemd leaves it to the program in it: nothing handed down in it yet."""
    before = set((TOP / "cgroup.subtree_control").read_text().split())
    (TOP / "cgroup.subtree_control").write_text("+memory +pids")
    unit = TOP / f"gristmill-test-{os.getpid()}.service"
    unit.mkdir()
    os.setxattr(unit, "trusted.delegate", b"1")
    yield unit
    for folder in [*unit.glob("*/"), unit]:
        cgroups._remove(folder)
    if not before & {"memory", "pids"}:
        (TOP / "cgroup.subtree_control").write_text("-memory -pids")


def test_a_delegated_group_hands_down_once_its_processes_are_below_it(delegated: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PORTAL],
        preexec_fn=lambda: (delegated / "cgroup.procs").write_text(str(os.getpid())),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["version"] == 2
    assert set(said["parents"].values()) == {str(delegated)}
    assert said["own"] == said["beside"] == f"/{delegated.name}/gristmill-portal"
    assert (said["exit"], said["over"], said["again"]) == (-9, True, True)
    assert said["peak"] <= 51 * MIB


def test_a_bomb_that_forks_faster_than_one_can_count_goes_at_once(delegated: Path) -> None:
    (delegated / "cgroup.subtree_control").write_text("+memory +pids")
    group = cgroups.create(
        cgroups.Hierarchy(2, dict.fromkeys(("memory", "pids"), delegated)),
        memory_bytes=300 * MIB,
        processes=150,
    )
    assert group is not None
    program = "import os, time\nwhile True:\n try: os.fork()\n except OSError: time.sleep(0.01)"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        preexec_fn=lambda: group.add(os.getpid()),  # noqa: PLW1509 - no threads here
    ) as bomb:
        time.sleep(1)
        group.remove()
        bomb.kill()
    assert not any(folder.exists() for folder in group.folders.values())
