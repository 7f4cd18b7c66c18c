"""What of its node an attempt may use, from what its job asked for and who else runs there; and what is said when it
wanted more.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from hardware.nodes.models import Accelerator, AcceleratorKind, Node
from hardware.nodes.probe import energy
from jobs.engine.spec import memory_to_ask
from jobs.queue.models import Attempt, Job
from jobs.runner.gpus import Gpus
from jobs.runner.limits import MIB, Exit, Limits


@dataclass(frozen=True)
class Share:
    """An attempt's part of its node: threads to compute with, limits from outside, GPUs, and all that it runs on."""

    threads: int
    limits: Limits
    gpus: Gpus
    accelerators: tuple[energy.Accelerator, ...] = ()

    def task(self) -> dict[str, Any]:
        """What the engine has to know of it."""
        limit = self.gpus.limit_bytes
        return {
            "threads": self.threads,
            "gpus": len(self.gpus.names),
            "gpu_limit_mb": limit // MIB if limit is not None else None,
        }


def share_of(job: Job, attempt_id: str) -> Share:
    """The share of a job's attempt that is about to start on this computer.

    The processors are divided among all attempts that are open on the node now. The memory that the job asked for is
    its GPU's where it has one, else the node's; what it did not ask for is divided among those on the same GPU.
    """
    attempt = Attempt.objects.select_related("node").get(pk=attempt_id)
    accelerators = list(attempt.accelerators.order_by("kind", "index"))
    asked = job.spec.get("resources") or {}
    memory = asked["memory_mb"] * MIB if asked.get("memory_mb") else None
    gpus = _gpus(attempt.node, [one for one in accelerators if one.kind == AcceleratorKind.GPU], memory)
    cores = len(os.sched_getaffinity(0))
    part = cores / max(1, Attempt.objects.filter(node_id=attempt.node_id, ended_at=None).count())
    limits = Limits(
        seconds=asked["max_minutes"] * 60.0 if asked.get("max_minutes") else None,
        memory_bytes=memory if memory and not gpus.names else _unasked(attempt.node),
        disk_bytes=settings.JOB_DISK_MB * MIB,
        cores=part if part < cores else None,
    )
    places = tuple((one.kind, one.index, one.model) for one in accelerators)
    return Share(threads=max(1, int(part)), limits=limits, gpus=gpus, accelerators=places)


def _unasked(node: Node | None) -> int:
    """What a job may take of its node's memory that asked for none of it. Not all there is: the node itself needs some,
    and who fills it is to be told of the limit.
    """
    usual, there = settings.JOB_MEMORY_MB * MIB, int(node.probe.get("memory_bytes") or 0) if node else 0
    return min(usual, there * 7 // 8) if there else usual


def _gpus(node: Node | None, chosen: Sequence[Accelerator], memory: int | None) -> Gpus:
    if not chosen:
        return Gpus()
    probed = node.probe.get("accelerators", []) if node else []
    found = {entry.get("index"): entry for entry in probed if entry.get("kind") == AcceleratorKind.GPU}
    least = min(one.memory_bytes for one in chosen)
    real = min(found.get(one.index, {}).get("memory_bytes") or one.memory_bytes for one in chosen)
    sharers = max(one.attempts.filter(ended_at=None).count() for one in chosen)
    return Gpus(
        names=tuple(found.get(one.index, {}).get("uuid") or str(one.index) for one in chosen),
        memory_bytes=real,
        limit_bytes=memory or (least // sharers if least and (sharers > 1 or least < real) else None),
    )


def crowded_out(ended: Exit, limits: Limits) -> str:
    """What a member reads whose job kept to its limit, and was killed because its node was full."""
    return _(
        "The memory of the node was full, although this job kept to its limit: it had %(peak)s of %(limit)s MB. It is "
        "not its fault, and the lost time is not charged. It goes on from its last checkpoint."
    ) % {
        "peak": f"{ended.peak_memory_bytes // MIB:,}",
        "limit": f"{(limits.memory_bytes or 0) // MIB:,}",
    }


def over_memory(ended: Exit, limits: Limits) -> str:
    """What a member reads whose job passed its memory limit: how much it wanted, and what would be enough."""
    limit = limits.memory_bytes or 0
    wanted = max(ended.wanted_bytes, ended.peak_memory_bytes)
    if wanted <= limit:  # it was stopped before it could be seen to ask for more
        return _(
            "It wanted more than its limit of %(limit)s MB. Ask for more memory, or choose a smaller batch size or "
            "picture size."
        ) % {"limit": f"{limit // MIB:,}"}
    return _(
        "It wanted about %(wanted)s MB and its limit is %(limit)s MB. Ask for at least %(enough)s MB, or choose a "
        "smaller batch size or picture size."
    ) % {
        "wanted": f"{-(-wanted // MIB):,}",
        "limit": f"{limit // MIB:,}",
        "enough": f"{memory_to_ask(wanted):,}",
    }
