"""Members, teams, invitations, tokens and the audit log in the stewards' admin."""

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.kit.errors import UserError
from portal.members import services, teams, tokens
from portal.members.access import signed_in
from portal.members.models import ApiToken, AuditEntry, Invitation, Member, Team
from portal.members.stewarding import StewardAdmin, column

for elsewhere in (Group, EmailAddress, Authenticator):  # not used here, or offered as actions on members
    if admin.site.is_registered(elsewhere):
        admin.site.unregister(elsewhere)

PENDING, ACTIVE, SUSPENDED = "pending", "active", "suspended"
STANDINGS: dict[str, str | Promise] = {
    PENDING: gettext_lazy("waits for approval"),
    ACTIVE: gettext_lazy("active"),
    SUSPENDED: gettext_lazy("suspended"),
}


def standing(member: Member) -> str:
    if member.is_active:
        return ACTIVE
    return PENDING if member.is_pending else SUSPENDED


class StandingFilter(admin.SimpleListFilter):
    title = gettext_lazy("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        return [(name, str(title)) for name, title in STANDINGS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Member]) -> QuerySet[Member]:  # noqa: ARG002
        if self.value() == ACTIVE:
            return queryset.filter(is_active=True)
        if self.value() in {PENDING, SUSPENDED}:
            return queryset.filter(is_active=False, approved_at__isnull=self.value() == PENDING)
        return queryset


class ServedInline(Protocol):
    """An inline whose room's services keep what was typed in a row's form, and delete rows, and note it."""

    model: Any

    @staticmethod
    def keep(form: Any, actor: Member) -> None: ...

    @staticmethod
    def drop(row: Any, actor: Member) -> None: ...


class ServesItsInlines:
    """What is typed in the inlines goes through the services of the rooms that added them."""

    inlines: ClassVar[list[type[ServedInline]]] = []

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: ARG002
        formset.save(commit=False)
        actor = signed_in(request)
        inline = next(each for each in self.inlines if each.model is formset.model)
        typed = [*formset.new_objects, *(row for row, _fields in formset.changed_objects)]
        for each in [each for each in formset.forms if any(each.instance is row for row in typed)]:
            try:
                inline.keep(each, actor)
            except UserError as error:
                messages.error(request, error.detail)
        for row in formset.deleted_objects:
            inline.drop(row, actor)


@admin.register(Member)
class MemberAdmin(ServesItsInlines, StewardAdmin):
    """A member's row changes by actions only. Higher rooms add what they keep of a member to `inlines` (the
    ledger its quota), and that is edited.
    """

    may_change = True
    list_display = ["username", "show_standing", "is_staff", "email", "about", "date_joined", "last_login"]
    list_filter = [StandingFilter, "is_staff", "teams"]
    search_fields = ["username", "first_name", "email", "about"]
    ordering = ["-id"]
    fields = [
        "username",
        "first_name",
        "email",
        "about",
        "is_active",
        "is_staff",
        "approved_at",
        "date_joined",
        "last_login",
    ]
    readonly_fields: ClassVar[list[str]] = fields
    inlines: ClassVar[list[type[ServedInline]]] = []
    actions = [
        "approve",
        "refuse",
        "make_reset_link",
        "suspend",
        "reinstate",
        "make_steward",
        "make_member",
        "remove_second_factor",
    ]

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        """Nothing of it was typed, and what happened to it meanwhile stands."""

    @column(gettext_lazy("standing"), colours={PENDING: "warning", ACTIVE: "success", SUSPENDED: "danger"})
    def show_standing(self, member: Member) -> tuple[str, str]:
        return standing(member), str(STANDINGS[standing(member)])

    @admin.action(description=gettext_lazy("Approve: let them in"))
    def approve(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self.for_each(request, queryset, lambda row: services.approve(actor=signed_in(request), member=row))

    @admin.action(description=gettext_lazy("Refuse: remove the sign-up"))
    def refuse(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self.for_each(request, queryset, lambda row: services.refuse(actor=signed_in(request), member=row))

    @admin.action(description=gettext_lazy("Suspend: shut them out, keep their things"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self.for_each(request, queryset, lambda row: services.suspend(actor=signed_in(request), member=row))

    @admin.action(description=gettext_lazy("Reinstate: let them in again"))
    def reinstate(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self.for_each(request, queryset, lambda row: services.reinstate(actor=signed_in(request), member=row))

    @admin.action(description=gettext_lazy("Make a steward"))
    def make_steward(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self._set_steward(request, queryset, steward=True)

    @admin.action(description=gettext_lazy("Make an ordinary member"))
    def make_member(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        self._set_steward(request, queryset, steward=False)

    def _set_steward(self, request: HttpRequest, queryset: QuerySet[Member], *, steward: bool) -> None:
        actor = signed_in(request)
        self.for_each(
            request, queryset, lambda row: services.set_steward(actor=actor, member=row, steward=steward)
        )

    @admin.action(description=gettext_lazy("Remove the second factor (they lost it)"))
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        actor = signed_in(request)
        self.for_each(request, queryset, lambda row: services.remove_second_factor(actor=actor, member=row))

    @admin.action(description=gettext_lazy("Make a link to choose a new password"))
    def make_reset_link(self, request: HttpRequest, queryset: QuerySet[Member]) -> HttpResponse | None:
        if len(queryset) != 1:
            messages.error(request, _("Choose one member: each link is for one person."))
            return None
        member = queryset[0]
        return self.show_link(
            request,
            path=services.reset_link(actor=signed_in(request), member=member),
            title=_("A new password"),
            sentence=_("By this link %(who)s chooses a new password, once.") % {"who": member.username},
        )


@admin.register(Team)
class TeamAdmin(ServesItsInlines, StewardAdmin):
    """Higher rooms add what they keep of a team to `inlines`: the ledger its share."""

    may_add = may_change = may_delete = True
    inlines: ClassVar[list[type[ServedInline]]] = []
    list_display = ["name", "created_at"]
    search_fields = ["name", "members__username"]
    fields = ["name", "members"]
    autocomplete_fields = ["members"]

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        """With who is in it, by `save_related`."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        members = form.cleaned_data["members"]
        teams.set_team(team=form.instance, members=members, actor=signed_in(request))
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        teams.delete_team(team=obj, actor=signed_in(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        for team in queryset:
            self.delete_model(request, team)


@admin.register(Invitation)
class InvitationAdmin(StewardAdmin):
    may_add = True
    list_display = ["__str__", "steward", "created_by", "created_at", "expires_at", "used_by", "used_at"]
    list_filter = ["steward", ("used_at", admin.EmptyFieldListFilter)]
    list_select_related = ["created_by", "used_by"]
    search_fields = ["note", "used_by__username"]
    fields = ["note", "steward", "expires_at"]
    actions = ["withdraw"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:  # noqa: ARG002
        return {"expires_at": timezone.now() + services.INVITATION_LIVES}

    def save_model(
        self,
        request: HttpRequest,
        obj: Invitation,
        form: forms.Form,
        change: bool,  # noqa: ARG002
    ) -> None:
        made, path = services.invite(actor=signed_in(request), **form.cleaned_data)
        obj.__dict__.update(made.__dict__)
        obj.path = path  # type: ignore[attr-defined]

    def response_add(
        self,
        request: HttpRequest,
        obj: Invitation,
        post_url_continue: str | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        return self.show_link(
            request,
            path=obj.path,  # type: ignore[attr-defined]
            title=_("An invitation"),
            sentence=_("By this link one person joins at once, without waiting for approval."),
        )

    @admin.action(description=gettext_lazy("Withdraw: make the link useless"))
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        actor = signed_in(request)
        self.for_each(request, queryset, lambda row: services.withdraw(actor=actor, invitation=row))


@admin.register(ApiToken)
class ApiTokenAdmin(StewardAdmin):
    list_display = ["name", "user", "created", "last_used_at"]
    list_display_links = None
    list_select_related = ["user"]
    list_filter = ["last_used_at"]
    search_fields = ["name", "user__username"]
    ordering = ["-ref"]
    fields = ["name", "user", "created", "last_used_at"]
    actions = ["revoke"]

    @admin.action(description=gettext_lazy("Revoke: stop working at once"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        actor = signed_in(request)
        self.for_each(request, queryset, lambda row: tokens.revoke(token=row, actor=actor))


@admin.register(AuditEntry)
class AuditEntryAdmin(StewardAdmin):
    list_display = ["created_at", "action", "actor", "subject", "detail"]
    list_filter = ["action", "created_at"]
    list_select_related = ["actor"]
    search_fields = ["subject", "actor__username"]
    date_hierarchy = "created_at"
    ordering = ["-id"]
    fields = ["created_at", "action", "actor", "subject", "detail"]
