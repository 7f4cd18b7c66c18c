"""`manage.py up`: one tree, one home, no orphans."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.portal import ROOT, Portal, steward_link


@pytest.fixture
def own(tmp_path: Path) -> Portal:
    return Portal(tmp_path / "home")


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still live ten seconds later."""
    return psutil.wait_procs(processes, timeout=10)[1]


def test_it_says_how_the_first_steward_gets_in_and_ends_cleanly(own: Portal) -> None:
    said = own.start()
    assert own.address in said
    assert httpx.get(steward_link(said), follow_redirects=True).status_code == 200
    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", "1"],
        cwd=ROOT,
        env=own.env,
        capture_output=True,
        text=True,
    )
    assert second.returncode != 0
    assert "already" in second.stderr
    tree = own.processes()
    assert own.stop() == 0
    assert left_of(tree) == []


@pytest.mark.long
def test_a_killed_parent_leaves_no_orphan_and_the_next_start_works(own: Portal) -> None:
    own.start()
    assert own.process is not None
    tree = own.processes()
    own.process.kill()
    own.process.wait()
    assert left_of(tree) == []
    own.start()
    assert httpx.get(own.address).status_code == 200
    assert own.stop() == 0


@pytest.mark.long
def test_what_dies_is_started_again(own: Portal) -> None:
    own.start()
    own.child("uvicorn").kill()
    until = time.monotonic() + 20
    answer = None
    while answer is None and time.monotonic() < until:
        time.sleep(0.2)
        try:
            answer = httpx.get(own.address, timeout=5)
        except httpx.HTTPError:
            continue
    assert answer is not None
    assert answer.status_code == 200
    assert own.stop() == 0


def test_a_taken_port_is_named(own: Portal, portal: Portal) -> None:
    taken = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(portal.port)],
        cwd=ROOT, env=own.env, capture_output=True, text=True,
    )  # fmt: skip
    assert taken.returncode != 0
    assert str(portal.port) in taken.stderr
