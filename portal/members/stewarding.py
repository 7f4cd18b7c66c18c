"""What every room's part of the stewards' admin is made of."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from portal.kit.errors import UserError

Method = TypeVar("Method", bound=Callable[..., object])


def column(
    title: object, *, order: str = "", colours: Mapping[Any, str] | None = None
) -> Callable[[Method], Method]:
    """Make a method a column of a list. With `colours` it answers (state, words), shown as a badge."""

    def mark(method: Method) -> Method:
        shown: Method = display(method, description=title, ordering=order or None, label=colours)
        return shown

    return mark


def moment(when: datetime | None) -> str:
    """Local time for a list's column, in one line and to the minute."""
    shown = "" if when is None else timezone.localtime(when).strftime("%Y-%m-%d %H:%M")
    return format_html('<span class="whitespace-nowrap">{}</span>', shown)


class ShownForm(forms.BaseForm):
    """A form that brings back what the page showed: so `changed_data` is what was typed, whatever others did meanwhile,
    and `was_shown` tells what they saw who typed it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = not self.is_bound or self.add_initial_prefix(name) in self.data

    def was_shown(self, name: str) -> Any:
        """What the page showed in a field; None where it does not say."""
        shown = self.data.get(self.add_initial_prefix(name))
        try:
            return None if shown is None else self.fields[name].to_python(shown)
        except ValidationError:
            return None


class StewardAdmin(ModelAdmin):  # type: ignore[misc]
    """A list and a page to look at. What may be changed is offered as actions, which go through the services.

    `may_add`, `may_change` and `may_delete` open the forms of Django's own.
    """

    may_add = may_change = may_delete = False
    list_filter_submit = False
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and bool(super().has_add_permission(request))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_change and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may_delete and bool(super().has_delete_permission(request, obj))

    def for_each(self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], object]) -> None:
        """Do `act` to each row and say how many it changed. A UserError is shown, and the rest goes on.

        `act` answers False when there was nothing to do.
        """
        done = 0
        for row in rows:
            try:
                done += act(row) is not False
            except UserError as error:
                messages.error(request, f"{row}: {error.detail}")
        sentence = ngettext("%(count)s was changed.", "%(count)s were changed.", done) % {"count": done}
        if done:
            messages.success(request, sentence)
        else:
            messages.info(request, _("There was nothing to change."))

    def show_link(self, request: HttpRequest, *, path: str, title: str, sentence: str) -> HttpResponse:
        """A page with a link that is shown this once."""
        meta = self.model._meta  # noqa: SLF001 - Django's documented introspection
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "sentence": sentence,
            "link": request.build_absolute_uri(path),
            "back": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"),
        }
        answer = TemplateResponse(request, "members/admin/link.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows of another kind, to look at."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:  # noqa: ARG002 - Django's
        return self.fields
