"""The shared machine in figures: nodes and how long they are silent, accelerators and whether they work."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.metrics_core import Metric

from hardware.nodes.models import Accelerator, Node, NodeState
from jobs.queue.models import Attempt
from portal.site.metrics.families import each, every, gauges


def collect(now: datetime) -> Iterator[Metric]:
    """Everything; `now` is the database's."""
    rows = list(Node.objects.order_by("name").values_list("name", "state", "last_seen_at"))
    states = Counter(state for _name, state, _seen in rows)
    yield gauges("nodes", "Nodes by state.", ["state"], every(NodeState.values, states))
    silent = each((name, max(0.0, (now - seen).total_seconds())) for name, _state, seen in rows if seen)
    yield gauges("node_silent_seconds", "Since a node was last heard of.", ["node"], silent)
    yield gauges("accelerators", "Accelerators by what they do.", ["kind", "state"], _accelerators())


def _accelerators() -> dict[tuple[str, ...], float]:
    links = Attempt.accelerators.through.objects.filter(attempt__ended_at=None)
    busy = set(links.values_list("accelerator_id", flat=True))
    found: dict[tuple[str, ...], float] = {}
    for pk, kind, enabled, state in Accelerator.objects.order_by().values_list(
        "pk", "kind", "enabled", "node__state"
    ):
        does = "busy" if pk in busy else "free" if enabled and state == NodeState.ACTIVE else "off"
        for one in ("busy", "free", "off"):
            found.setdefault((kind, one), 0.0)
        found[kind, does] += 1
    return found
