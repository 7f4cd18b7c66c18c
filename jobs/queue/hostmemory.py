"""A node's memory, beside its devices': what jobs on its GPUs may take of it is kept from those on its processor.

A job asks for memory of what it runs on. One on a GPU needs some of its node's too, and is held to the usual limit.
"""

from collections import Counter
from collections.abc import Sequence

from django.conf import settings

from hardware.nodes.models import AcceleratorKind
from jobs.queue.kinds import in_use
from jobs.runner.limits import MIB

Place = tuple[str, str, int]  # node, class of accelerator, bytes


def packable(places: Sequence[Place]) -> list[int]:
    """The bytes that jobs may be given of each accelerator, of all that take work on their nodes; 0 where its memory is
    not known. Of a processor's, every device of its node keeps as much as a job that asked for nothing may take, but no
    more than an even part.
    """
    device_kinds = in_use() - {AcceleratorKind.CPU}
    devices = Counter(node for node, kind, _memory in places if kind in device_kinds)
    return [
        _beside(memory, devices[node]) if kind == AcceleratorKind.CPU else memory
        for node, kind, memory in places
    ]


def _beside(memory: int, devices: int) -> int:
    return memory - devices * min(settings.JOB_MEMORY_MB * MIB, memory // (devices + 1))
