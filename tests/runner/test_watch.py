"""Who belongs to a running program."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from jobs.runner import watch

GROW = """
import subprocess, sys, time
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]])
time.sleep(60)
"""
DEEP = 3


@pytest.mark.parametrize("lists_children", [True, False])
def test_a_family_is_all_below_however_deep(lists_children: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LISTS_CHILDREN", lists_children and watch._LISTS_CHILDREN)
    root = subprocess.Popen([sys.executable, "-c", GROW, str(DEEP), GROW])
    try:
        known = psutil.Process(root.pid)
        until = time.monotonic() + 20
        while len(below := known.children(recursive=True)) < DEEP and time.monotonic() < until:
            time.sleep(0.05)
        found = watch.Family(root.pid).pids()
        assert found[0] == root.pid
        assert sorted(found[1:]) == sorted(child.pid for child in below)
        assert os.getpid() not in found
    finally:
        for process in [*known.children(recursive=True), known]:
            process.kill()
        root.wait()


def test_who_is_gone_has_no_family() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert watch.Family(gone.pid).pids() == [gone.pid]
