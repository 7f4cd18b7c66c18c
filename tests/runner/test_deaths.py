"""Whoever is killed: nobody is left behind, and the others know."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobs.runner import cgroups, sandbox
from jobs.runner.warm import WarmParent
from tests.runner.conftest import HERE, LIMITS, Node, eventually, first

ROOT = HERE.parents[1]


def living(pids: set[int]) -> set[int]:
    found = [process for process in psutil.process_iter(["status"]) if process.pid in pids]
    return {process.pid for process in found if process.info["status"] != psutil.STATUS_ZOMBIE}


def family(pid: int) -> set[int]:
    return {pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))}


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "blobs").mkdir()
    warm = WarmParent(tmp_path / "home", target="tasks:run", preload=["json"], code=[HERE])
    yield Node(tmp_path / "home", warm, tmp_path / "blobs")
    warm.close()


def test_kill_minus_nine_of_the_child_is_a_signal(own_node: Node) -> None:
    running = own_node.run("sleep", task={"with_child": True})
    first(running, "sleeping")
    assert running.pid is not None
    everybody = family(running.pid)
    os.kill(running.pid, signal.SIGKILL)
    end = running.wait(10)
    assert (end.code, end.signal, end.lost, end.over_memory) == (None, 9, False, False)
    assert eventually(lambda: not living(everybody))
    assert own_node.events("nothing")[1].ok


def test_kill_minus_nine_of_the_warm_parent_loses_its_children_and_it_comes_back(own_node: Node) -> None:
    running = [own_node.run("sleep", job=job, task={"with_child": True}) for job in ("alice", "bob")]
    for child in running:
        first(child, "sleeping")
    assert own_node.warm.pid is not None
    everybody = family(own_node.warm.pid)
    assert {child.pid for child in running} <= everybody
    os.kill(own_node.warm.pid, signal.SIGKILL)
    for child in running:
        end = child.wait(10)
        assert end.lost
        assert end.signal == 9
    assert eventually(lambda: not living(everybody))
    assert own_node.events("nothing")[1].ok


def test_kill_minus_nine_of_the_inner_warm_process_too(own_node: Node) -> None:
    running = own_node.run("sleep")
    first(running, "sleeping")
    assert running.pid is not None
    keeper = psutil.Process(running.pid).ppid()
    inner = psutil.Process(keeper).ppid()
    os.kill(inner, signal.SIGKILL)
    assert running.wait(10).lost
    assert eventually(lambda: not living({keeper, inner, running.pid or 0}))
    assert own_node.events("nothing")[1].ok


def test_kill_minus_nine_of_the_keeper_takes_its_worker_along(own_node: Node) -> None:
    running = own_node.run("sleep", task={"with_child": True})
    first(running, "sleeping")
    assert running.pid is not None
    everybody = family(running.pid)
    os.kill(psutil.Process(running.pid).ppid(), signal.SIGKILL)
    assert running.wait(10).lost
    assert eventually(lambda: not living(everybody))


@pytest.mark.parametrize("way", ["confined", "unconfined"])
def test_kill_minus_nine_of_the_supervisor_leaves_nobody(tmp_path: Path, way: str) -> None:
    argv = [sys.executable, "-m", "tests.runner.supervisor", str(tmp_path / "home"), way]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as supervisor:
        assert supervisor.stdout is not None
        names = json.loads(supervisor.stdout.readline())
        everybody = family(supervisor.pid)
        assert {names["warm"], names["worker"]} <= everybody
        assert len(everybody) >= 5
        supervisor.kill()
    assert eventually(lambda: not living(everybody)), living(everybody)


def test_close_ends_what_runs(own_node: Node) -> None:
    running = own_node.run("sleep")
    first(running, "sleeping")
    assert own_node.warm.pid is not None
    everybody = family(own_node.warm.pid)
    own_node.warm.close()
    assert running.wait(10).signal == 9
    assert eventually(lambda: not living(everybody))


@pytest.mark.skipif(sandbox.probe().groups is None, reason="no cgroup can be made here")
def test_no_cgroup_is_left_behind(own_node: Node) -> None:
    own_node.events("nothing")
    own_node.events("hog", task={"mib": 2000}, limits=LIMITS)
    found = cgroups.find()
    assert found is not None
    mine = f"{cgroups.PREFIX}{os.getpid()}-*"
    assert not [folder for parent in found.parents.values() for folder in parent.glob(mine)]


def test_many_at_once(own_node: Node) -> None:
    running = [own_node.run("nothing", job=f"job{number}") for number in range(12)]
    assert all(child.wait(20).ok for child in running)
    handles = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        assert own_node.run("nothing", job=f"job{number}").wait(20).ok
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles + 1
