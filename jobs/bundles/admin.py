"""Trained models and bundles in the stewards' admin, to look at."""

from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from jobs.bundles.models import Bundle, BundleState, ModelState, TrainedModel
from portal.members.stewarding import ReadOnlyInline, StewardAdmin, column

STATE_COLOURS = {
    BundleState.BUILDING: "info",
    BundleState.READY: "success",
    BundleState.REFUSED: "warning",
    BundleState.FAILED: "danger",
}

MODEL_COLOURS = {ModelState.CHECKING: "info", ModelState.READY: "success", ModelState.REFUSED: "warning"}


class BundleInline(ReadOnlyInline):
    model = Bundle
    fields = ["target", "state", "reason", "created_at"]
    show_change_link = True


@admin.register(TrainedModel)
class TrainedModelAdmin(StewardAdmin):
    list_display = [
        "name",
        "owner",
        "show_origin",
        "show_state",
        "reason",
        "dataset",
        "version",
        "created_at",
    ]
    list_filter = ["state", "job__kind"]
    list_select_related = ["owner", "job", "dataset", "version__dataset"]
    search_fields = ["name", "owner__username", "dataset__name", "id"]
    ordering = ["-id"]
    inlines: ClassVar[list[type[ReadOnlyInline]]] = [BundleInline]

    @column(_("from"))
    def show_origin(self, model: TrainedModel) -> str:
        return str(_("brought") if model.is_brought else _("trained here"))

    @column(_("state"), order="state", colours=MODEL_COLOURS)
    def show_state(self, model: TrainedModel) -> tuple[str, str]:
        return model.state, model.get_state_display()


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
