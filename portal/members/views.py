"""The ways in: an invitation's link, waiting for a steward, a forgotten password."""

from http import HTTPStatus
from typing import Any

from allauth.account.views import PasswordResetView as AllauthPasswordResetView
from allauth.account.views import SignupView as AllauthSignupView
from allauth.core.ratelimit import respond_429
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.members import limits, services
from portal.members.adapter import INVITATION_KEY


@never_cache
@require_safe
def join(request: HttpRequest, secret: str) -> HttpResponse:
    """Remember the invitation and go on to sign-up, at an address without the secret in it."""
    if request.user.is_authenticated:
        messages.info(request, _("You are signed in already. The invitation is still unused."))
        return redirect("home")
    if limits.wait("join", limits.address_of(request), settings.JOIN_TRIES):
        refused: HttpResponse = respond_429(request)
        return refused
    if services.open_invitation(secret):
        request.session[INVITATION_KEY] = services.sha256_of(secret)
    else:
        sentence = _("This invitation was used or has expired. Sign up, and a steward will let you in.")
        messages.warning(request, sentence)
    return redirect("account_signup")


@require_safe
def pending(request: HttpRequest) -> HttpResponse:
    """For who signed up and is not approved yet."""
    return render(request, "members/pending.html")


class SignupView(AllauthSignupView):  # type: ignore[misc]
    """Sign-up, which says whether the visitor came by an invitation."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "invited": INVITATION_KEY in self.request.session}


signup = SignupView.as_view()


class PasswordResetView(AllauthPasswordResetView):  # type: ignore[misc]
    """Asks for a mail address where mail can be sent, else says to ask a steward for a link."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.MAIL_CONFIGURED:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            return answer
        status = HTTPStatus.METHOD_NOT_ALLOWED if request.method == "POST" else HTTPStatus.OK
        return render(request, self.template_name, {"mail_configured": False}, status=status)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "mail_configured": True}


password_reset = PasswordResetView.as_view()
