"""Nodes in the stewards' admin: take them in and out of service, correct what they found, plan their maintenance."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from hardware.nodes import queries, services, windows
from hardware.nodes.models import Accelerator, AcceleratorKind, MaintenanceWindow, Node, NodeState
from portal.kit.errors import UserError
from portal.members.access import signed_in
from portal.members.models import Member
from portal.members.stewarding import ShownForm, StewardAdmin, column

if TYPE_CHECKING:  # Django's own class takes no type argument
    AcceleratorModelForm = forms.ModelForm[Accelerator]
    NodeModelForm = forms.ModelForm[Node]
else:
    AcceleratorModelForm = NodeModelForm = forms.ModelForm

STATE_COLOURS = {
    NodeState.ACTIVE: "success",
    NodeState.DRAINING: "info",
    NodeState.MAINTENANCE: "warning",
    NodeState.OFFLINE: "danger",
}
TERMS = ["label", "relative_speed", "price", "sharing", "enabled"]
PLACE = ["kind", "index"]
FOUND = [*PLACE, "model", "memory_bytes"]
SAID = ["state", "trouble", "last_seen_at", "clock_skew", "load", "probe", "sandbox"]


class NodeForm(ShownForm, NodeModelForm):
    class Meta:
        model = Node
        fields = ["label", "donor"]


class AcceleratorForm(ShownForm, AcceleratorModelForm):
    """Which accelerator it is, is typed for a new one only, which the node does not find by itself."""

    class Meta:
        model = Accelerator
        fields = [*FOUND, *TERMS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PLACE:
            self.fields[name].disabled = not self.instance._state.adding  # noqa: SLF001 - Django's documented attribute


class AcceleratorInline(TabularInline):  # type: ignore[misc]
    """What the node found: a steward corrects its terms and whether it takes work, adds what is not found, removes
    what is gone.
    """

    model = Accelerator
    form = AcceleratorForm
    extra = 0
    readonly_fields = ["missing_since"]


@admin.register(Node)
class NodeAdmin(StewardAdmin):
    """A node's row changes by actions, its accelerators are corrected in place."""

    may_change = True
    form = NodeForm
    list_display = ["name", "label", "show_state", "last_seen_at", "show_accelerators", "donor", "created_at"]
    list_filter = ["state", "accelerators__kind"]
    list_select_related = ["donor"]
    search_fields = ["name", "label", "id"]
    fields = ["name", "label", "donor", *SAID]
    readonly_fields: ClassVar[list[str]] = ["name", *SAID]
    autocomplete_fields = ["donor"]
    inlines: ClassVar[list[type[AcceleratorInline]]] = [AcceleratorInline]
    actions = ["activate", "drain", "maintain"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """A node that is gone for good; its jobs keep its name."""
        return isinstance(obj, Node) and obj.state in services.AT_REST

    def delete_model(self, request: HttpRequest, obj: Node) -> None:
        try:
            services.forget_node(obj, signed_in(request))
        except UserError as error:
            raise PermissionDenied(error.detail) from None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        rows = queries.with_silence(super().get_queryset(request))
        return rows.prefetch_related("accelerators")

    @column(_("state"), order="state", colours=STATE_COLOURS)
    def show_state(self, node: Node) -> tuple[str, str]:
        state = node.shown_state
        if node.is_silent and state != NodeState.OFFLINE:
            return state, str(_("%(state)s, not heard of") % {"state": state.label})
        return state, str(state.label)

    @column(_("accelerators"))
    def show_accelerators(self, node: Node) -> str:
        return ", ".join(f"{row.kind}{row.index} {row.model}".strip() for row in node.accelerators.all())

    def save_model(self, request: HttpRequest, obj: Node, form: Any, change: bool) -> None:  # noqa: ARG002
        """A node's label and donor are set by the services, which note them."""
        node, actor = Node.objects.select_related("donor").get(pk=obj.pk), signed_in(request)
        if "label" in form.changed_data:
            services.name_node(node, obj.label, actor)
        if "donor" in form.changed_data:
            services.set_donor(node, obj.donor, actor)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002
        """Corrections go through the services, which note them and wake the scheduler."""
        formset.save(commit=False)
        actor = signed_in(request)
        acts = [
            *(partial(_add, row, actor) for row in formset.new_objects),
            *(partial(_correct, each, actor) for each in _changed(formset)),
            *(partial(services.remove, row, actor) for row in formset.deleted_objects),
        ]
        for act in acts:
            try:
                act()
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


def _add(row: Accelerator, actor: Member) -> None:
    found = {name: getattr(row, name) for name in FOUND} | {"kind": AcceleratorKind(row.kind)}
    terms = services.Correction(**{name: getattr(row, name) for name in TERMS})
    services.correct(services.add(row.node, **found, actor=actor), terms, actor)


def _changed(formset: Any) -> list[AcceleratorForm]:
    """The forms of known rows into which something was typed."""
    rows = [row for row, _names in formset.changed_objects]
    return [each for each in formset.initial_forms if any(each.instance is row for row in rows)]


def _correct(form: AcceleratorForm, actor: Member) -> None:
    names = form.changed_data
    wanted = services.Correction(**{name: getattr(form.instance, name) for name in names})
    shown = {name: form.was_shown(name) for name in names}
    seen = {name: value for name, value in shown.items() if value is not None}
    services.correct(Accelerator.objects.get(pk=form.instance.pk), wanted, actor, seen=seen)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(StewardAdmin):
    """Windows are planned and cancelled; a wrong one is cancelled and planned anew."""

    may_add = may_delete = True
    list_display = ["node", "starts_at", "ends_at", "reason", "drain_before_min", "overridden"]
    list_filter = ["node"]
    list_select_related = ["node"]
    fields = ["node", "starts_at", "ends_at", "drain_before_min", "reason"]
    ordering = ["-starts_at"]

    def save_model(self, request: HttpRequest, obj: MaintenanceWindow, form: Any, change: bool) -> None:  # noqa: ARG002
        windows.plan(obj, signed_in(request))

    def delete_model(self, request: HttpRequest, obj: MaintenanceWindow) -> None:
        windows.cancel(obj, signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> None:
        for window in queryset:
            windows.cancel(window, signed_in(request))
