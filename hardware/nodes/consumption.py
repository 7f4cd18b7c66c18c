"""What a node drew over a stretch of time, as far as its samples tell: for work that can't tell itself any more."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Avg

from hardware.nodes.models import Accelerator, AcceleratorKind, Node, NodeSample
from hardware.nodes.probe import energy


def watts(node: Node, since: datetime, until: datetime) -> dict[Accelerator, float]:
    """The mean power of each of its accelerators: as it was read, else as is assumed of its kind, by how busy it was
    (`energy`). Without a processor of which neither its power nor its cores are known.
    """
    rows = NodeSample.objects.filter(accelerator__node=node, at__gte=since, at__lt=until)
    means = rows.order_by().values("accelerator").annotate(power=Avg("power_w"), busy=Avg("utilisation"))
    read = {row["accelerator"]: (row["power"], row["busy"]) for row in means}
    found = {}
    for one in node.accelerators.all():
        power, busy = read.get(one.pk, (None, None))
        if power is None:
            power = energy.assumed_w(one.kind, one.model, cores=_cores(node), busy=busy)
        if power > 0 or one.kind != AcceleratorKind.CPU:
            found[one] = power
    return found


def _cores(node: Node) -> float:
    """As its probe found them; 0 when it does not say."""
    processor = node.probe.get("cpu")
    return float(processor.get("cores") or 0.0) if isinstance(processor, Mapping) else 0.0
