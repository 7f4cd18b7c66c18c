"""How allauth signs people up and in: accounts wait for a steward, invitations open, mail is optional."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from portal.kit.errors import UserError
from portal.members import services
from portal.members.models import Member

INVITATION_KEY = "invitation_sha256"
"""Where a session keeps the hash of the invitation that its visitor came by."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up makes a pending member, or by invitation one who is in at once."""

    def save_user(self, request: HttpRequest, user: Member, form: Form, commit: bool = True) -> Member:  # noqa: ARG002
        super().save_user(request, user, form, commit=False)
        user.about = form.cleaned_data.get("about", "")
        invited = request.session.pop(INVITATION_KEY, "")
        try:
            services.sign_up(member=user, invitation_sha256=invited)
        except UserError as error:
            messages.error(request, error.detail)
            raise ImmediateHttpResponse(redirect("account_signup")) from error
        if invited and not user.is_active:
            messages.warning(
                request, _("The invitation was used or had expired, so a steward has to let you in.")
            )
        return user

    def clean_username(self, username: str, shallow: bool = False) -> str:
        if "@" in username:
            raise self.validation_error("username_blacklisted")
        return str(super().clean_username(username, shallow=shallow))

    def respond_user_inactive(self, request: HttpRequest, user: Member) -> HttpResponse:  # noqa: ARG002
        return redirect("pending" if user.is_pending else "account_inactive")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        return "/account"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Without a mail server nothing is sent, and so no link is printed where logs are read."""
        if settings.MAIL_CONFIGURED:
            super().send_mail(template_prefix, email, context)
