"""Datasets and their versions in the stewards' admin, to look at."""

from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from jobs.datasets.models import Dataset, Upload, Version, VersionState
from portal.kit.amounts import in_bytes
from portal.members.stewarding import ReadOnlyInline, StewardAdmin, column

STATE_COLOURS = {
    VersionState.READY: "success",
    VersionState.REJECTED: "danger",
    VersionState.VALIDATING: "info",
}


class VersionInline(ReadOnlyInline):
    model = Version
    fields = ["number", "state", "reason", "filename", "created_at"]
    show_change_link = True


@admin.register(Dataset)
class DatasetAdmin(StewardAdmin):
    list_display = ["name", "owner", "task", "visibility", "team", "created_at", "deleted_at"]
    list_filter = ["task", "visibility", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["owner", "team"]
    search_fields = ["name", "owner__username", "id"]
    ordering = ["-id"]
    inlines: ClassVar[list[type[ReadOnlyInline]]] = [VersionInline]


@admin.register(Version)
class VersionAdmin(StewardAdmin):
    list_display = ["__str__", "show_owner", "show_state", "reason", "filename", "show_bytes", "created_at"]
    list_filter = ["state", "code", "dataset__task"]
    list_select_related = ["dataset__owner", "upload"]
    search_fields = ["dataset__name", "dataset__owner__username", "filename", "id"]
    ordering = ["-id"]

    @column(_("owner"))
    def show_owner(self, version: Version) -> str:
        return version.dataset.owner.username

    @column(_("state"), order="state", colours=STATE_COLOURS)
    def show_state(self, version: Version) -> tuple[str, str]:
        return version.state, version.get_state_display()

    @column(_("size"), order="upload__bytes")
    def show_bytes(self, version: Version) -> str:
        return in_bytes(version.upload.bytes)


@admin.register(Upload)
class UploadAdmin(StewardAdmin):
    list_display = ["filename", "owner", "dataset", "length", "created_at", "expires_at", "version"]
    list_select_related = ["owner", "dataset", "version__dataset"]
    search_fields = ["filename", "owner__username", "dataset__name"]
    ordering = ["-id"]
