"""What allauth reports is written into the audit log: sign-in, failures, passwords, the second factor."""

from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.mfa import signals as mfa
from django.contrib.auth import user_login_failed
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest

from portal.members.models import Member
from portal.members.services import audit


def connect() -> None:
    """Listen. Called once, when the room starts."""
    account.user_logged_in.connect(_signed_in)
    account.password_changed.connect(_password_changed)
    account.password_set.connect(_password_changed)
    account.password_reset.connect(_password_reset)
    user_login_failed.connect(_failed)
    mfa.authenticator_added.connect(_factor_added)
    mfa.authenticator_removed.connect(_factor_removed)
    mfa.authenticator_reset.connect(_factor_reset)
    mfa.authentication_failed.connect(_code_failed)


def _place(request: HttpRequest | None) -> dict[str, str]:
    """From where: the caller's address, as far as it is known."""
    if request is None:
        return {}
    try:
        return {"ip": str(get_adapter(request).get_client_ip(request))}
    except PermissionDenied:
        return {}


def _signed_in(request: HttpRequest, user: Member, **_others: Any) -> None:
    audit(user, "sign_in", user, _place(request))


def _password_changed(request: HttpRequest, user: Member, **_others: Any) -> None:
    audit(user, "password.changed", user, _place(request))


def _password_reset(request: HttpRequest, user: Member, **_others: Any) -> None:
    audit(user, "password.reset", user, _place(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_others: Any) -> None:
    """A name that is nobody's is not written down: people type passwords there."""
    name, mail = (str(credentials.get(key) or "") for key in ("username", "email"))
    known = Q(username__iexact=name)
    if mail or "@" in name:
        known |= Q(email__iexact=mail or name)
    member = Member.objects.filter(known).first()
    audit(None, "sign_in.failed", member or "", _place(request))


def _factor_added(request: HttpRequest, user: Member, authenticator: Any, **_others: Any) -> None:
    audit(user, "second_factor.added", user, {"type": authenticator.type, **_place(request)})


def _factor_removed(request: HttpRequest, user: Member, authenticator: Any, **_others: Any) -> None:
    audit(user, "second_factor.removed", user, {"type": authenticator.type, **_place(request)})


def _factor_reset(request: HttpRequest, user: Member, authenticator: Any, **_others: Any) -> None:
    audit(user, "second_factor.reset", user, {"type": authenticator.type, **_place(request)})


def _code_failed(request: HttpRequest, user: Member, **_others: Any) -> None:
    audit(None, "second_factor.failed", user, _place(request))
