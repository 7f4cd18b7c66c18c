"""Trained models and bundles in the stewards' admin, to look at."""

from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from jobs.bundles.models import Bundle, BundleState, TrainedModel
from portal.members.stewarding import ReadOnlyInline, StewardAdmin, column

STATE_COLOURS = {
    BundleState.BUILDING: "info",
    BundleState.READY: "success",
    BundleState.REFUSED: "warning",
    BundleState.FAILED: "danger",
}


class BundleInline(ReadOnlyInline):
    model = Bundle
    fields = ["target", "state", "reason", "created_at"]
    show_change_link = True


@admin.register(TrainedModel)
class TrainedModelAdmin(StewardAdmin):
    list_display = ["name", "owner", "state", "dataset", "version", "created_at"]
    list_filter = ["state"]
    list_select_related = ["owner", "dataset", "version__dataset"]
    search_fields = ["name", "owner__username", "dataset__name", "id"]
    ordering = ["-id"]
    inlines: ClassVar[list[type[ReadOnlyInline]]] = [BundleInline]


@admin.register(Bundle)
class BundleAdmin(StewardAdmin):
    list_display = ["__str__", "show_owner", "target", "show_state", "reason", "created_at"]
    list_filter = ["state", "target"]
    list_select_related = ["model__owner"]
    search_fields = ["model__name", "model__owner__username", "target", "id"]
    ordering = ["-id"]

    @column(_("owner"))
    def show_owner(self, bundle: Bundle) -> str:
        return bundle.model.owner.username

    @column(_("state"), order="state", colours=STATE_COLOURS)
    def show_state(self, bundle: Bundle) -> tuple[str, str]:
        return bundle.state, bundle.get_state_display()
