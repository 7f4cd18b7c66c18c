"""The process tree: what can't be started waits its turn, and the rest lives."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from portal.core.supervisor import STABLE_S, Program, Supervisor


def sleeper(name: str, log: Path) -> Program:
    return Program(
        name=name,
        argv=[sys.executable, "-c", "import time; time.sleep(600)"],
        env=os.environ,
        log=log,
        grace_s=2,
    )


def eventually(condition: Callable[[], bool], within: float = 10.0) -> bool:
    until = time.monotonic() + within
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_a_program_that_can_not_be_started_again_does_not_end_the_others(tmp_path: Path) -> None:
    steady, broken = sleeper("steady", tmp_path / "steady.log"), sleeper("broken", tmp_path / "logs" / "log")
    supervisor = Supervisor([steady, broken])
    supervisor.start()
    watcher = threading.Thread(target=supervisor.watch)
    watcher.start()
    try:
        assert steady.process is not None
        assert broken.process is not None
        first = broken.process.pid
        (tmp_path / "logs" / "log").unlink()
        (tmp_path / "logs" / "log").mkdir()  # no room for what it says: it can't be opened
        broken.process.kill()
        assert eventually(lambda: broken.failures >= 2)
        assert watcher.is_alive()
        assert steady.alive
        (tmp_path / "logs" / "log").rmdir()
        assert eventually(lambda: broken.alive)
        assert broken.process is not None
        assert broken.process.pid != first
    finally:
        supervisor.stop()
        watcher.join()
        supervisor.end()
    assert not steady.alive
    assert not broken.alive


def test_who_ran_well_for_a_while_is_started_again_at_once_however_often_it_died(tmp_path: Path) -> None:
    program = sleeper("steady", tmp_path / "log")
    supervisor = Supervisor([program])
    supervisor.start()
    watcher = threading.Thread(target=supervisor.watch)
    watcher.start()
    try:
        assert program.process is not None
        program.failures = 6  # so that it would have to wait
        program.started_at -= STABLE_S
        program.process.kill()
        assert eventually(lambda: program.failures == 0 and program.alive, within=2)
    finally:
        supervisor.stop()
        watcher.join()
        supervisor.end()
