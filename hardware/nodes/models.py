"""The shared machine: its nodes and what they can compute on."""

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.core.models import Identified
from portal.members.models import Member


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
    """One computer of the shared machine. It registers itself, by its `name`, when its worker starts.

    `label` and `donor` are the stewards', `donor_since` when the donor was named. `window` is the maintenance window
    that made its `state`; None when a steward did, or nobody. `worker` is the process that works for it
    (`portal.kit.identity.me`), empty once it left. `clock_skew` is how far its clock was ahead of the
    database's at the last heartbeat.
    """

    name = models.CharField(_("name"), max_length=120, unique=True)
    label = models.CharField(_("label"), max_length=80, blank=True, default="")
    donor = models.ForeignKey(
        Member,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="donated_nodes",
        verbose_name=_("given by"),
    )
    donor_since = models.DateTimeField(null=True, blank=True, editable=False)
    key_sha256 = models.CharField(max_length=64)
    worker = models.CharField(max_length=120, blank=True, default="", editable=False)
    state = models.CharField(_("state"), max_length=12, choices=NodeState.choices, default=NodeState.ACTIVE)
    window = models.ForeignKey(
        "MaintenanceWindow",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    last_seen_at = models.DateTimeField(_("last heard of"), null=True, blank=True)
    clock_skew = models.DurationField(_("its clock is ahead by"), null=True, blank=True, editable=False)
    probe = models.JSONField(_("what it said of itself"), default=dict, blank=True)
    sandbox = models.JSONField(_("what its sandbox enforces"), default=dict, blank=True)
    load = models.JSONField(_("load at the last heartbeat"), default=dict, blank=True)
    trouble = models.TextField(_("why it takes no work now"), blank=True, default="", editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.label or self.name

    @property
    def is_silent(self) -> bool:
        """Whether it is not heard of, for rows of `queries.with_silence`; of others that is not known."""
        return bool(getattr(self, "silent", False))

    @property
    def shown_state(self) -> NodeState:
        """Its state, and `offline` as soon as it is silent, though the sweep that writes this down is yet to come. A
        steward's word outlasts silence.
        """
        is_gone = self.is_silent and self.state == NodeState.ACTIVE
        return NodeState.OFFLINE if is_gone else NodeState(self.state)


class SpeedFrom(models.TextChoices):
    """Where an accelerator's relative speed is from."""

    GUESS = "guess", _("a first guess by its class")
    JOBS = "jobs", _("learnt from what jobs took")
    STEWARD = "steward", _("a steward")


class Accelerator(Identified):
    """What jobs run on: a node's CPU, one GPU, one board.

    `kind`, `index`, `model` and `memory_bytes` are what the node finds, or what a steward added `by_hand`. Of the last
    two a steward may know better: those named in `corrected` stay as they were said.
    `label`, `relative_speed`, `price` (charge for each second against one CPU's), `sharing` (how many jobs at most
    may run on it at once) and `enabled` are the stewards'; a restart of the node leaves them alone. One that the
    node no longer finds is disabled with the time in `missing_since`, and enabled again when it is back.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="accelerators")
    kind = models.CharField(_("kind"), max_length=4, choices=AcceleratorKind.choices)
    index = models.PositiveSmallIntegerField(_("number on its node"), default=0)
    label = models.CharField(_("label"), max_length=80, blank=True, default="")
    model = models.CharField(_("model"), max_length=120, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory in bytes"), default=0)
    relative_speed = models.FloatField(_("relative speed"), default=1.0)
    speed_from = models.CharField(
        _("speed is from"), max_length=7, choices=SpeedFrom.choices, default=SpeedFrom.GUESS, editable=False
    )
    price = models.FloatField(_("price"), default=1.0, help_text=_("For each second, against one CPU's."))
    sharing = models.PositiveSmallIntegerField(
        _("jobs at once"), default=1, help_text=_("How many may share it, when their memory fits.")
    )
    enabled = models.BooleanField(_("takes work"), default=True)
    by_hand = models.BooleanField(_("added by a steward"), default=False, editable=False)
    corrected = models.JSONField(_("corrected by a steward"), default=list, blank=True, editable=False)
    missing_since = models.DateTimeField(_("not found since"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ["node", "kind", "index"]
        constraints = [
            models.UniqueConstraint(fields=["node", "kind", "index"], name="accelerator_once_per_node"),
            models.CheckConstraint(
                condition=Q(relative_speed__gt=0, price__gte=0, sharing__gte=1), name="accelerator_terms"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node.name} {self.kind}{self.index}"

    @property
    def title(self) -> str:
        """What people call it."""
        return self.label or f"{self.get_kind_display()} {self.index}"


class NodeSample(models.Model):
    """How busy, full, hot and hungry an accelerator was: a reading (`span_s` 0), or the mean of `span_s` seconds
    from `at` on.

    Null is what could not be read. `utilisation` is 0 to 1. The CPU's memory is the whole machine's. `takes_work`
    tells whether its node took work at some time in it.
    """

    accelerator = models.ForeignKey(Accelerator, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    span_s = models.PositiveSmallIntegerField(default=0)
    utilisation = models.FloatField(null=True)
    memory_bytes = models.PositiveBigIntegerField(null=True)
    temperature_c = models.FloatField(null=True)
    power_w = models.FloatField(null=True)
    takes_work = models.BooleanField(default=True)

    class Meta:
        ordering = ["accelerator", "at"]
        constraints = [models.UniqueConstraint(fields=["accelerator", "span_s", "at"], name="sample_once")]

    def __str__(self) -> str:
        return f"{self.accelerator_id} {self.at}"


class MaintenanceWindow(Identified):
    """When a node is worked on. Some minutes before, it drains; then what still runs saves a checkpoint and moves;
    afterwards it is active again. `overridden` once a steward set the node's state meanwhile: then that stands.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="windows", verbose_name=_("node"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    reason = models.CharField(_("because"), max_length=200)
    drain_before_min = models.PositiveSmallIntegerField(
        _("minutes before, in which nothing new starts"), default=30
    )
    overridden = models.BooleanField(_("a steward decided otherwise"), default=False, editable=False)

    class Meta:
        ordering = ["starts_at"]
        verbose_name = _("maintenance window")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="window_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}"

    def clean(self) -> None:
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("It has to end after it starts.")})
        if self.ends_at and self.ends_at <= timezone.now():
            raise ValidationError({"ends_at": _("It is over already. Choose a time to come.")})

    @property
    def drains_at(self) -> datetime:
        """When nothing new starts on the node any more."""
        return self.starts_at - timedelta(minutes=self.drain_before_min)
