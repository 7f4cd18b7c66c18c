"""The shared machine as members see it: every accelerator, whether it works, and for whom."""

from typing import TypedDict

from django.db.models import Count, Prefetch

from hardware.nodes.models import Accelerator, Node, NodeState
from hardware.nodes.queries import coming_windows, with_silence
from jobs.queue.models import Attempt, Job
from jobs.queue.reasons import OPEN, Status
from portal.members.models import Member


class Slot(TypedDict):
    """One accelerator now. `job` is given to who may see it; `member` is its owner's name, or empty. `more` jobs run
    beside it.
    """

    title: str
    name: str
    kind: str
    model: str
    memory_bytes: int
    state: str
    job: Job | None
    member: str
    more: int


class Load(TypedDict):
    """The jobs of everyone, and every accelerator."""

    running: int
    queued: int
    accelerators: list[Slot]


def nodes_seen_by(member: Member) -> list[Node]:
    """All nodes by name, each with `slots` and `coming_windows`. Four queries, however many nodes there are."""
    open_attempts = Attempt.objects.filter(ended_at=None).select_related("job__owner").defer("job__spec")
    accelerators = Accelerator.objects.prefetch_related(
        Prefetch("attempts", queryset=open_attempts, to_attr="open_attempts")
    ).order_by("kind", "index")
    nodes = list(
        with_silence(Node.objects.order_by("name")).prefetch_related(
            Prefetch("accelerators", queryset=accelerators), coming_windows()
        )
    )
    for node in nodes:
        node.slots = [_slot(node, row, member) for row in node.accelerators.all()]  # type: ignore[attr-defined]
    return nodes


def _slot(node: Node, accelerator: Accelerator, member: Member) -> Slot:
    attempts: list[Attempt] = accelerator.open_attempts  # type: ignore[attr-defined]
    job = attempts[0].job if attempts else None
    takes_work = accelerator.enabled and node.shown_state == NodeState.ACTIVE and not node.trouble
    may_see = job is not None and (member.is_staff or job.owner_id == member.pk)
    return Slot(
        title=f"{accelerator.title} · {node.title}",
        name=accelerator.title,
        kind=accelerator.kind,
        model=accelerator.model,
        memory_bytes=accelerator.memory_bytes,
        state="busy" if job else "idle" if takes_work else "off",
        job=job if may_see else None,
        member=job.owner.username if job else "",
        more=max(0, len(attempts) - 1),
    )


def load_of(nodes: list[Node]) -> Load:
    """How busy the machine is, from `nodes_seen_by` and one query more."""
    open_jobs = Job.objects.filter(status__in=OPEN).order_by()
    counts = dict(open_jobs.values_list("status").annotate(count=Count("pk")))
    return Load(
        running=counts.get(Status.RUNNING, 0) + counts.get(Status.STARTING, 0),
        queued=counts.get(Status.QUEUED, 0),
        accelerators=[slot for node in nodes for slot in node.slots],  # type: ignore[attr-defined]
    )
