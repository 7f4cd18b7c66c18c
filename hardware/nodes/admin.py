"""Nodes in the stewards' admin: take them in and out of service, correct what they found."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from hardware.nodes import services
from hardware.nodes.models import Accelerator, Node, NodeState
from portal.kit.errors import UserError
from portal.members.access import signed_in
from portal.members.services import audit
from portal.members.stewarding import StewardAdmin, column

STATE_COLOURS = {
    NodeState.ACTIVE: "success",
    NodeState.DRAINING: "info",
    NodeState.MAINTENANCE: "warning",
    NodeState.OFFLINE: "danger",
}
AT_REST = frozenset({NodeState.OFFLINE, NodeState.MAINTENANCE})


class AcceleratorInline(TabularInline):  # type: ignore[misc]
    """What the node found; a steward corrects its speed and whether it takes work."""

    model = Accelerator
    extra = max_num = 0
    can_delete = False
    fields = ["kind", "index", "model", "memory_bytes", "missing_since", "relative_speed", "enabled"]
    readonly_fields = ["kind", "index", "model", "memory_bytes", "missing_since"]


@admin.register(Node)
class NodeAdmin(StewardAdmin):
    """A node's row changes by actions, its accelerators are corrected in place."""

    may_change = True
    list_display = ["name", "show_state", "last_seen_at", "show_accelerators", "created_at"]
    list_filter = ["state", "accelerators__kind"]
    search_fields = ["name", "id"]
    fields = ["name", "state", "trouble", "last_seen_at", "load", "probe", "sandbox"]
    readonly_fields: ClassVar[list[str]] = fields
    inlines: ClassVar[list[type[AcceleratorInline]]] = [AcceleratorInline]
    actions = ["activate", "drain", "maintain"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """A node that is gone for good; its jobs keep its name."""
        return isinstance(obj, Node) and obj.state in AT_REST

    def delete_model(self, request: HttpRequest, obj: Node) -> None:
        audit(signed_in(request), "node.deleted", obj)
        super().delete_model(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        rows: QuerySet[Node] = super().get_queryset(request)
        return rows.prefetch_related("accelerators")

    @column(_("state"), order="state", colours=STATE_COLOURS)
    def show_state(self, node: Node) -> tuple[str, str]:
        return node.state, node.get_state_display()

    @column(_("accelerators"))
    def show_accelerators(self, node: Node) -> str:
        return ", ".join(f"{row.kind}{row.index} {row.model}".strip() for row in node.accelerators.all())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002
        """Corrections go through the service, which notes them and wakes the scheduler."""
        formset.save(commit=False)
        for row, names in formset.changed_objects:
            wanted = services.Correction(**{name: getattr(row, name) for name in names})
            try:
                services.correct(Accelerator.objects.get(pk=row.pk), wanted, signed_in(request))
            except UserError as error:
                self.message_user(request, error.detail, level="error")

    @admin.action(description=_("Activate: take work"))
    def activate(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self._set(request, queryset, NodeState.ACTIVE)

    @admin.action(description=_("Drain: what runs ends in peace, nothing new starts"))
    def drain(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self._set(request, queryset, NodeState.DRAINING)

    @admin.action(description=_("Maintenance: what runs moves elsewhere, nothing new starts"))
    def maintain(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self._set(request, queryset, NodeState.MAINTENANCE)

    def _set(self, request: HttpRequest, queryset: QuerySet[Node], state: NodeState) -> None:
        self.for_each(request, queryset, lambda node: services.set_state(node, state, signed_in(request)))
