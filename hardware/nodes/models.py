"""The shared machine: its nodes and what they can compute on."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.core.models import Identified


class NodeState(models.TextChoices):
    """`active` takes work; `draining` takes none and ends what it has; in `maintenance` what runs saves a checkpoint
    and goes elsewhere; `offline` was not heard of.
    """

    ACTIVE = "active", _("active")
    DRAINING = "draining", _("draining")
    MAINTENANCE = "maintenance", _("maintenance")
    OFFLINE = "offline", _("offline")


class AcceleratorKind(models.TextChoices):
    """What a job may ask for."""

    CPU = "cpu", _("CPU")
    GPU = "gpu", _("GPU")
    TPU = "tpu", _("TPU")
    FPGA = "fpga", _("FPGA")


class Node(Identified):
    """One computer of the shared machine. It registers itself when its worker starts."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    key_sha256 = models.CharField(max_length=64)
    state = models.CharField(_("state"), max_length=12, choices=NodeState.choices, default=NodeState.ACTIVE)
    last_seen_at = models.DateTimeField(_("last heard of"), null=True, blank=True)
    probe = models.JSONField(_("what it said of itself"), default=dict, blank=True)
    sandbox = models.JSONField(_("what its sandbox enforces"), default=dict, blank=True)
    load = models.JSONField(_("load at the last heartbeat"), default=dict, blank=True)
    trouble = models.TextField(_("why it takes no work now"), blank=True, default="", editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Accelerator(Identified):
    """What one job at a time runs on: a node's CPU, one GPU, one board.

    `enabled` and `relative_speed` are the steward's; a restart of the node leaves them alone. One that the
    node no longer finds is disabled with the time in `missing_since`, and enabled again when it is back.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="accelerators")
    kind = models.CharField(_("kind"), max_length=4, choices=AcceleratorKind.choices)
    index = models.PositiveSmallIntegerField(_("number on its node"), default=0)
    model = models.CharField(_("model"), max_length=120, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), default=0)
    relative_speed = models.FloatField(_("relative speed"), default=1.0)
    enabled = models.BooleanField(_("takes work"), default=True)
    missing_since = models.DateTimeField(_("not found since"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ["node", "kind", "index"]
        constraints = [
            models.UniqueConstraint(fields=["node", "kind", "index"], name="accelerator_once_per_node")
        ]

    def __str__(self) -> str:
        return f"{self.node.name} {self.kind}{self.index}"
