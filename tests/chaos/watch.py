"""Waiting for the cooperative, by its database."""

import logging
import time

from hardware.nodes.models import Node
from jobs.queue.models import Job
from jobs.queue.reasons import FINAL
from tests.faults.mill import until

LOOK_S = 1.0
TOLD_S = 30.0
READY_S = 120.0
log = logging.getLogger("chaos")


def until_ready(nodes: tuple[str, ...]) -> None:
    """Every node has its engine warm."""
    until(lambda: all(map(_is_warm, nodes)), "the nodes do not get ready", within=READY_S, every=0.2)


def _is_warm(name: str) -> bool:
    found = Node.objects.filter(name=name).first()
    return bool(found and found.load.get("warm"))


def are_confined(nodes: tuple[str, ...]) -> bool:
    """Whether the sandbox works on every node."""
    found = Node.objects.filter(name__in=nodes).values_list("sandbox", flat=True)
    return all(sandbox.get("available") for sandbox in found)


def until_left(few: int, *, within_s: float) -> None:
    """Until so few jobs are open, or the time is up."""
    end, told = time.monotonic() + within_s, 0.0
    while (left := Job.objects.exclude(status__in=FINAL).count()) > few and time.monotonic() < end:
        if time.monotonic() - told >= TOLD_S:
            told = time.monotonic()
            log.warning("%d jobs to go", left)
        time.sleep(LOOK_S)
