"""Who is killed, how, and when they are back."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from tests.faults.mill import Mill, outlived, until, with_all_below
from tests.faults.phases import Scene

AWAY_S = 2.0  # a database is away for a while


@dataclass(frozen=True)
class Victim:
    """`strike` kills it, and returns once it is gone. `attempts` ends so the attempt that ran. `is_back` tells whether
    the part is of use again (None: the job's own history tells).
    """

    strike: Callable[[Scene], None]
    attempts: tuple[str, ...] = ()
    is_back: Callable[[Mill], bool] | None = None


def _kill(process: psutil.Process) -> None:
    """With the proof that nothing that it started outlives it."""
    tree = with_all_below(process)
    process.kill()
    assert outlived(tree) == []


def _child(scene: Scene) -> None:
    if scene.held.cmdline() and scene.held == scene.mill.warm():  # it has not forked yet
        scene.release()
    _kill(scene.mill.child())


def _part(name: str) -> Callable[[Scene], None]:
    return lambda scene: _kill(scene.mill.part(name))


def _postgres(scene: Scene) -> None:
    assert scene.mill.cluster is not None
    scene.mill.cluster.kill()
    time.sleep(AWAY_S / 2)
    scene.release()  # so that the work goes on while the database is away
    time.sleep(AWAY_S / 2)
    scene.mill.cluster.start()


def _all(scene: Scene) -> None:
    scene.mill.crash()
    scene.mill.start()


def _leads_again(mill: Mill) -> bool:
    """Another scheduler leads, and its lease has begun."""
    sql = "SELECT holder FROM core_lease WHERE name = 'scheduler'"
    with contextlib.suppress(psutil.NoSuchProcess):
        return f"/{mill.part('scheduler').pid}/" in str(mill.value(sql))
    return False


VICTIMS = {
    "child": Victim(_child, ("crashed",)),
    "warm": Victim(lambda scene: _kill(scene.mill.warm()), ("node_lost",)),
    "node": Victim(_part("node"), ("node_lost",)),
    "web": Victim(_part("web"), is_back=Mill.answers),
    "scheduler": Victim(_part("scheduler"), is_back=_leads_again),
    "redis": Victim(_part("redis"), is_back=Mill.redis_answers),
    "postgres": Victim(_postgres, is_back=Mill.answers),
    "all": Victim(_all, ("node_lost",)),
}


def back(mill: Mill, name: str) -> None:
    victim = VICTIMS[name]
    until(lambda: victim.is_back is None or victim.is_back(mill), f"{name} does not come back")
