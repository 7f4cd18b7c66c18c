"""The account page: what I may use and used, my API tokens, my second factor."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.kit.errors import UserError
from portal.ledger import queries as ledger
from portal.members import tokens
from portal.members.forms import TokenForm
from portal.members.models import Member


def _me(request: HttpRequest) -> Member:
    assert isinstance(request.user, Member)  # noqa: S101 - for mypy: the views below need sign-in
    return request.user


def _page(request: HttpRequest, *, form: TokenForm, new_token: str = "", status: int = 200) -> HttpResponse:
    member = _me(request)
    quota, used = ledger.quota_of(member), ledger.usage(member)
    allowed = ledger.allowed_hours(quota)
    context = {
        "room": "account",
        "tokens": member.auth_token_set.all(),
        "form": form,
        "new_token": new_token,
        "quota": quota,
        "usage": used,
        "hours": [{"kind": kind, "used": used.device_hours[kind], "allowed": allowed[kind]} for kind in allowed],
        "share": ledger.share_of(member),
        "teams": member.teams.order_by("name"),
        "mfa_enabled": is_mfa_enabled(member),
    }
    return render(request, "members/account.html", context, status=status)


@login_required
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """The account page."""
    return _page(request, form=TokenForm())


@login_required
@never_cache
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token. The answer is the account page with its text, which is never shown again: nothing redirects,
    because that would need the text to be kept somewhere.
    """
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=400)
    try:
        _row, text = tokens.create(member=_me(request), name=form.cleaned_data["name"])
    except UserError as error:
        form.add_error("name", error.detail)
        return _page(request, form=form, status=error.status)
    return _page(request, form=TokenForm(), new_token=text)


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """End one of my tokens."""
    token = _me(request).auth_token_set.filter(ref=pk).first()
    if token is None:
        raise Http404
    tokens.revoke(token=token, actor=_me(request))
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("account")
