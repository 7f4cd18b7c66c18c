"""A small `make chaos`: jobs through two real nodes while these, Redis and the scheduler are killed at random."""

import os
import subprocess
import sys

import pytest

from tests.e2e.portal import ROOT
from tests.faults.disks import can_mount

SMALL = (
    "--jobs",
    "120",
    "--trainings",
    "2",
    "--slots",
    "6",
    "--length",
    "0.8",
    "--every",
    "5",
    "--seed",
    "3",
)
BOUNDS = ("--seconds", "120", "--idle", "0.5")  # short jobs: what lies between two is long


@pytest.mark.skipif(not can_mount(), reason="a second node's home is mounted, which root may")
@pytest.mark.timeout(240)
def test_no_job_is_lost_or_run_twice_whoever_is_killed() -> None:
    command = [sys.executable, "-m", "tests.chaos", *SMALL, *BOUNDS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
