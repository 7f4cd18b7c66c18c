"""The shared machine in figures: nodes and how long they are silent, accelerators and whether they work."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.metrics_core import Metric

from hardware.nodes.models import Accelerator, Node, NodeState
from hardware.nodes.queries import with_silence
from jobs.queue.models import Attempt
from portal.site.metrics.families import each, every, gauges


def collect(now: datetime) -> Iterator[Metric]:
    """Everything; `now` is the database's."""
    seen = Node.objects.order_by("name").only("name", "state", "trouble", "last_seen_at")
    nodes = list(with_silence(seen))
    states = Counter(str(node.shown_state) for node in nodes)
    yield gauges("nodes", "Nodes by state.", ["state"], every(NodeState.values, states))
    silent = each(
        (node.name, max(0.0, (now - node.last_seen_at).total_seconds()))
        for node in nodes
        if node.last_seen_at
    )
    yield gauges("node_silent_seconds", "Since a node was last heard of.", ["node"], silent)
    yield gauges("accelerators", "Accelerators by what they do.", ["kind", "state"], _accelerators(nodes))


def _accelerators(nodes: Iterable[Node]) -> dict[tuple[str, ...], float]:
    take_work = {node.pk for node in nodes if node.shown_state == NodeState.ACTIVE and not node.trouble}
    links = Attempt.accelerators.through.objects.filter(attempt__ended_at=None)
    busy = set(links.values_list("accelerator_id", flat=True))
    found: dict[tuple[str, ...], float] = {}
    rows = Accelerator.objects.order_by().values_list("pk", "kind", "enabled", "node_id")
    for pk, kind, enabled, node in rows:
        does = "busy" if pk in busy else "free" if enabled and node in take_work else "off"
        for one in ("busy", "free", "off"):
            found.setdefault((kind, one), 0.0)
        found[kind, does] += 1
    return found
