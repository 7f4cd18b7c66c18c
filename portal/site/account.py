"""The account page: what I may use and used, my API tokens, my second factor."""

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.kit.errors import UserError
from portal.ledger import queries as ledger
from portal.members import services, tokens
from portal.members.access import signed_in
from portal.members.forms import ProfileForm, TokenForm
from portal.members.models import Member


def _page(request: HttpRequest, *, status: int = 200, **given: Any) -> HttpResponse:
    member = signed_in(request)
    quota = ledger.quota_of(member)
    context = {
        "room": "account",
        "profile_form": ProfileForm(instance=member),
        "token_form": TokenForm(),
        "new_token": "",
        "base_url": request.build_absolute_uri("/").rstrip("/"),
        "tokens": member.auth_token_set.all(),
        "mfa_enabled": is_mfa_enabled(member),
        "quota": {
            "storage_bytes": quota.storage_bytes,
            "concurrent_jobs": quota.concurrent_jobs,
            "device_hours": ledger.allowed_hours(quota),
        },
        "usage": ledger.usage(member),
    }
    return render(request, "members/account.html", context | given, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The account page; the profile is posted to it. A new mail address needs the password once more."""
    if request.method != "POST":
        return _page(request)
    form = ProfileForm(request.POST, instance=Member.objects.get(pk=signed_in(request).pk))
    if not form.is_valid():
        return _page(request, profile_form=form, status=400)
    save = _save_with_email if form.cleaned_data["email"] != signed_in(request).email.lower() else _save
    return save(request, form)


def _save(request: HttpRequest, form: ProfileForm) -> HttpResponse:
    services.set_profile(member=signed_in(request), **form.cleaned_data)
    messages.success(request, _("Saved."))
    return redirect("account")


_save_with_email = reauthentication_required(app="allauth.account")(_save)


@login_required
@never_cache
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token. The answer is the account page with its text, which is never shown again. It does not
    redirect: for that the text would have to be kept somewhere.
    """
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, token_form=form, status=400)
    try:
        _row, text = tokens.create(member=signed_in(request), name=form.cleaned_data["name"])
    except UserError as error:
        form.add_error("name", error.detail)
        return _page(request, token_form=form, status=error.status)
    return _page(request, new_token=text)


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """End one of my tokens."""
    token = signed_in(request).auth_token_set.filter(ref=pk).first()
    if token is None:
        raise Http404
    tokens.revoke(token=token, actor=signed_in(request))
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("account")
