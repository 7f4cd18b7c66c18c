"""What members bring: datasets, their immutable versions, and uploads under way."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.core.models import Blob, Identified, Leased
from portal.members.models import Member, Team


class Task(models.TextChoices):
    """What a model made from a dataset is to do."""

    IMAGE_CLASSIFICATION = "image-classification", _("tell pictures apart")
    TABLE_CLASSIFICATION = "table-classification", _("sort a table's rows into classes")
    TABLE_REGRESSION = "table-regression", _("foretell a number from a table's rows")


class Visibility(models.TextChoices):
    PRIVATE = "private", _("only me")
    TEAM = "team", _("my team")
    COMMUNITY = "community", _("everyone here")


class Dataset(Identified):
    """A member's data under one name; its versions hold the bytes."""

    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(_("name"), max_length=120)
    task = models.CharField(_("task"), max_length=40, choices=Task.choices)
    label_column = models.CharField(_("label column"), max_length=200, blank=True)
    description = models.TextField(_("description"), max_length=4000, blank=True)
    visibility = models.CharField(
        _("who may use it"), max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, blank=True, related_name="datasets")
    deleted_at = models.DateTimeField(null=True, blank=True)
    latest: "Version | None"  # set for pages that list datasets

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class VersionState(models.TextChoices):
    VALIDATING = "validating", _("being checked")
    READY = "ready", _("ready")
    REJECTED = "rejected", _("rejected")


class Version(Identified, Leased):
    """One immutable upload of a dataset. While it is validated, a worker holds its lease."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(
        _("state"), max_length=10, choices=VersionState.choices, default=VersionState.VALIDATING
    )
    code = models.CharField(max_length=60, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    filename = models.CharField(_("file name"), max_length=255)
    label_column = models.CharField(max_length=200, blank=True)
    upload = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    report = models.JSONField(_("report"), default=dict, blank=True)
    progress = models.FloatField(default=0.0)
    tries = models.PositiveSmallIntegerField(_("validation tries"), default=0)

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"


class VersionFile(models.Model):
    """What validation derived from a version: index, arrays, thumbnails, preview (names as `formats` writes
    them).
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=60)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="version_file_once")]

    def __str__(self) -> str:
        return self.name


class Upload(Identified):
    """A tus upload under way. The bytes received so far are in a file, and its length on disk is the offset.

    Whoever writes holds the file's lock (see `jobs.datasets.parts`), which ends with its process whatever
    happens. `writes` counts the writers there have been. `unverified_from` is where a PATCH with a checksum
    began: until its checksum was found right, what lies behind does not count. `version` is what the finished
    upload became.
    """

    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="uploads")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="uploads")
    filename = models.CharField(max_length=255)
    label_column = models.CharField(max_length=200, blank=True)
    metadata = models.TextField(blank=True)
    length = models.PositiveBigIntegerField(_("length in bytes"))
    writes = models.PositiveBigIntegerField(default=0)
    unverified_from = models.PositiveBigIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    version = models.OneToOneField(
        Version, on_delete=models.CASCADE, null=True, blank=True, related_name="tus_upload"
    )

    def __str__(self) -> str:
        return self.filename
