"""What members take home: trained models, and bundles of them for a target."""

import shlex

from django.db import models
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from hardware.targets.profiles import Kind, Target
from hardware.targets.registry import TARGETS
from jobs.bundles import explanations
from jobs.datasets.models import Dataset, Version
from jobs.engine.recipes.registry import RECIPES, recipe_for_task
from jobs.queue.models import Job
from portal.core.models import Blob, Identified
from portal.members.models import Member


class ModelState(models.TextChoices):
    READY = "ready", _("ready")
    CHECKING = "checking", _("being checked")
    REFUSED = "refused", _("refused")


IMPORT = "import"
"""The kind of job that checks what a member brought."""


class TrainedModel(Identified):
    """What a finished train job yields: Keras weights and the report of its evaluation. Or a model that a member
    brought: `upload` is their file for as long as it is being checked, and `keras` is there once it is ready.

    `receipt` (see jobs.bundles.receipts) is written once: bundles that are built later say the same.
    """

    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="trained_models")
    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, null=True, blank=True, related_name="trained_model"
    )
    dataset = models.ForeignKey(Dataset, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    version = models.ForeignKey(Version, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    name = models.CharField(_("name"), max_length=120)
    state = models.CharField(_("state"), max_length=10, choices=ModelState.choices, default=ModelState.READY)
    reason = models.TextField(_("reason"), blank=True)
    labels = models.JSONField(_("labels"), default=list, blank=True)
    report = models.JSONField(_("report"), default=dict, blank=True)
    receipt = models.JSONField(_("receipt"), default=dict, blank=True)
    upload = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    keras = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    report_file = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        verbose_name = _("trained model")

    def __str__(self) -> str:
        return self.name

    @property
    def is_table(self) -> bool:
        """Whether it reads rows of a table."""
        return str(self.report.get("task", "")).startswith("table-")

    @property
    def is_sound(self) -> bool:
        """Whether it hears sounds; of pictures, when it reads no table either."""
        return str(self.report.get("task", "")).startswith("sound-")

    @property
    def is_brought(self) -> bool:
        """Whether a member brought it; trained here otherwise."""
        return self.job is not None and self.job.kind == IMPORT

    @property
    def is_dataless(self) -> bool:
        """Whether it was brought without data: then bundles are fp32 only, and nobody measures them."""
        return self.job is not None and self.is_brought and not self.job.spec.get("dataset")

    @property
    def notes(self) -> list[str]:
        """What was done to a brought model, and what would help it, in sentences."""
        found = self.report.get("notes") if self.is_brought else None
        return [str(note) for note in found] if isinstance(found, list) else []

    def why(self) -> "dict[str, explanations.Part]":
        """What its report says of why it answers so, by kind, with `_` for `-`. Empty for reports of before."""
        parts = explanations.read(self.report.get("explanations"))
        return {part.kind.replace("-", "_"): part for part in parts if part.kind != "left-out"}

    @property
    def unexplained(self) -> "list[explanations.LeftOut]":
        """What could not be explained, and why."""
        parts = explanations.read(self.report.get("explanations"))
        return [part for part in parts if isinstance(part, explanations.LeftOut)]

    @property
    def bundle_rows(self) -> "list[Bundle]":
        """The newest bundle for each target and set of options, newest first."""
        newest: dict[tuple[str, str], Bundle] = {}
        for bundle in sorted(self.bundles.all(), key=lambda row: row.pk, reverse=True):
            newest.setdefault((bundle.target, bundle.options_sha256), bundle)
        return list(newest.values())

    @property
    def buildable(self) -> list[Target]:
        """The targets that a bundle may be asked for: not those that have one, or are getting it."""
        if self.state != ModelState.READY or (self.version_id is None and not self.is_dataless):
            return []
        taken = {row.target for row in self.bundle_rows if row.state in CURRENT}
        return [
            target
            for name, target in TARGETS.items()
            if name not in taken and self.suits(name) and not self.lacks_data_for(name)
        ]

    def suits(self, target: str) -> bool:
        """Whether models of its recipe, or of its task when it was brought, are built for that target."""
        if self.is_sound and TARGETS[target].kind is Kind.BROWSER:
            return False  # its page reads pictures and tables
        recipe = RECIPES.get(self.job.recipe) if self.job else None
        recipe = recipe or recipe_for_task(str(self.report.get("task", "")))
        return TARGETS[target].buildable if recipe is None else target in recipe.targets

    def lacks_data_for(self, target: str) -> bool:
        """Whether it was brought without the data that int8 for that target is calibrated on."""
        return TARGETS[target].kind in {Kind.MICROCONTROLLER, Kind.FPGA} and self.is_dataless


class BundleState(models.TextChoices):
    BUILDING = "building", _("being built")
    READY = "ready", _("ready")
    REFUSED = "refused", _("refused")
    FAILED = "failed", _("failed")


CURRENT = (BundleState.BUILDING, BundleState.READY)
"""Of these there is one for each model, target and set of options."""


class Bundle(Identified):
    """The signed zip of one model for one target, with one set of options."""

    model = models.ForeignKey(TrainedModel, on_delete=models.CASCADE, related_name="bundles")
    target = models.CharField(_("target"), max_length=60)
    options = models.JSONField(default=dict, blank=True)
    options_sha256 = models.CharField(max_length=64)
    state = models.CharField(
        _("state"), max_length=10, choices=BundleState.choices, default=BundleState.BUILDING
    )
    reason = models.TextField(_("reason"), blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="built")
    zip = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    signature = models.TextField(_("signature (base64)"), blank=True)
    metrics = models.JSONField(_("measured"), default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "target", "options_sha256"],
                condition=models.Q(state__in=["building", "ready"]),
                name="bundle_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model.name} for {self.target}"

    @property
    def title(self) -> str:
        """The board's name in words."""
        target = TARGETS.get(self.target)
        return target.title if target else self.target

    @property
    def kind(self) -> Kind | None:
        """What kind of target it is for; None when that is no longer offered."""
        target = TARGETS.get(self.target)
        return target.kind if target else None

    @property
    def folder(self) -> str:
        """The one folder in the zip: the model's name in plain letters, and the target."""
        return f"{slugify(self.model.name)[:60].strip('-_') or 'model'}-{self.target}"

    @property
    def filename(self) -> str:
        return f"{self.folder}.zip"

    @property
    def packages(self) -> str:
        """What the board has to install, as arguments for pip."""
        target = TARGETS.get(self.target)
        if target is None:
            return ""
        pictures = () if self.is_table or self.is_sound else target.runtime.pictures
        return shlex.join([*target.runtime.packages, *pictures])

    @property
    def on_microcontroller(self) -> bool:
        """Whether it is a project to compile, not a program to start."""
        return self.kind is Kind.MICROCONTROLLER

    @property
    def on_fpga(self) -> bool:
        """Whether it is a bitstream, and a program for the computer beside the board."""
        return self.kind is Kind.FPGA

    @property
    def may_hold(self) -> bool:
        """Whether another can be asked for, with a bitstream that holds the model."""
        target = TARGETS.get(self.target)
        if target is None or not target.buildable or not target.holds_model:
            return False
        rows = (row for row in self.model.bundle_rows if row.target == self.target)
        return not any(row.options.get("contained") and row.state in CURRENT for row in rows)

    @property
    def is_table(self) -> bool:
        return self.model.is_table

    @property
    def is_sound(self) -> bool:
        return self.model.is_sound
