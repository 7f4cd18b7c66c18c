"""Whether the machine could run a job at all, were it empty."""

from collections import Counter
from typing import Any

from django.utils.translation import gettext as _

from hardware.nodes.models import Accelerator
from hardware.targets.profiles import Kind, Target
from jobs.engine.spec import Resources
from jobs.queue import kinds
from jobs.queue.hostmemory import packable
from jobs.queue.places import builds_on, kind_of, place_of
from jobs.queue.work import ANY
from portal.kit.errors import FieldError, UserError
from portal.ledger import queries as ledger
from portal.members.models import Member

MIB = 1024**2
ALIKE = (
    "node_id",
    "kind",
    "model",
    "relative_speed",
    "sharing",
)  # with its memory, as the scheduler pools them


def check(owner: Member, kind: str, wanted: Resources) -> None:
    """UserError `no_such_accelerator` or `too_much_memory` when no node has so many alike accelerators, each with that
    memory, of a class that a job of this kind can use and that is open to `owner`. Whether they are idle, or their
    nodes up, is no matter.

    Where nothing is registered yet, whoever asks for one of any class waits for the first node.
    """
    able = kinds.usable(kind, wanted.accelerator)
    pools = {pool: size for pool, size in _pools().items() if place_of(pool[1], pool[2]) in able}
    open_ = {kind_of(place) for place in able} & _open_kinds(owner)
    usable = [(pool[-1], size) for pool, size in pools.items() if pool[1] in open_]
    if pools and not usable:
        detail = _(
            "Your quota has hours of %(kinds)s only, and this machine has none of these. Ask a steward."
        )
        raise _refused("accelerator", detail % {"kinds": ", ".join(sorted(map(str.upper, open_)))})
    if not pools and wanted.accelerator != ANY:
        detail = _("This machine has no accelerator of that kind. Choose another, or “any”.")
        raise _refused("accelerator", detail)
    _check_count(usable, wanted.count)
    _check_memory([memory for memory, size in usable if size >= wanted.count], wanted)


def check_builds(target: Target, *, field: str) -> None:
    """UserError `no_such_accelerator` for `field`, where no node has the tools that bundles for the target are built
    with: those for FPGA boards. All others are built anywhere.
    """
    if target.kind is not Kind.FPGA or has_place(builds_on(target.name)):
        return
    detail = _(
        "Bitstreams for %(target)s can't be built: no node here has the tools for FPGA boards. A steward can install "
        "them."
    )
    detail %= {"target": target.title}
    raise UserError("no_such_accelerator", detail, errors=[FieldError(field, detail)])


def has_place(place: str) -> bool:
    """Whether some node, up or not, has an accelerator there that takes work."""
    rows = Accelerator.objects.filter(enabled=True, kind=kind_of(place)).values_list("kind", "model")
    return any(place_of(kind, model) == place for kind, model in rows)


def _pools() -> Counter[tuple[Any, ...]]:
    """How many alike accelerators there are on one node, the bytes that a job may be given of each last."""
    rows = list(Accelerator.objects.filter(enabled=True).values_list(*ALIKE, "memory_bytes"))
    memories = packable([(row[0], row[1], row[-1]) for row in rows])
    return Counter((*row[:-1], memory) for row, memory in zip(rows, memories, strict=True))


def _open_kinds(owner: Member) -> set[str]:
    allowed = ledger.allowed_hours(ledger.quota_of(owner))
    return {kind for kind, hours in allowed.items() if hours > 0}


def _check_count(usable: list[tuple[int, int]], count: int) -> None:
    most = max((size for _memory, size in usable), default=1)
    if count > most:
        detail = _("No node has that many that are alike. The most on one node is %(count)s.")
        raise _refused("count", detail % {"count": most})


def _check_memory(sizes: list[int], wanted: Resources) -> None:
    """`sizes` in bytes, 0 where it is not known."""
    if not sizes or 0 in sizes or (wanted.memory_mb or 0) * MIB <= max(sizes):
        return
    detail = _(
        "No accelerator that could run this has so much memory. The most is %(most)s MB: ask for that or less."
    )
    raise _refused("memory_mb", detail % {"most": max(sizes) // MIB}, "too_much_memory")


def _refused(field: str, detail: str, code: str = "no_such_accelerator") -> UserError:
    return UserError(code, detail, errors=[FieldError(f"resources.{field}", detail)])
