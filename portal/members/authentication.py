"""How API callers prove who they are: a token in the header, or the browser's session with its CSRF token."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as DrfSessionAuthentication
from rest_framework.request import Request

from portal.members import limits, tokens
from portal.members.models import ApiToken, Member


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token <token>`. Knox makes and hashes the tokens; here they are found by their hash, in
    one query instead of Knox's two, and never expire.
    """

    def authenticate(self, request: Request) -> tuple[Member, ApiToken] | None:
        scheme, _space, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != tokens.SCHEME.encode():
            return None
        token = tokens.find(text.strip().decode("ascii", errors="replace"))
        if token is None:
            _count_guess(request)
            raise exceptions.AuthenticationFailed(
                _("This token is not valid. It may have been revoked; make a new one on your account page."),
                code="invalid_token",
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Token"


def _count_guess(request: Request) -> None:
    """Who sends bad tokens all the time is put off. A good one is let in all the same: an address may be shared."""
    if wait := limits.wait("token", limits.address_of(request._request), settings.BAD_TOKENS):  # noqa: SLF001
        raise exceptions.Throttled(wait)


class SessionAuthentication(DrfSessionAuthentication):
    """The session of a signed-in member. What writes needs the page's CSRF token."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            detail = _("The request lacks the CSRF token of the page. Scripts use an API token instead.")
            raise PermissionDenied(detail) from error


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """What the API's schema says of tokens."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <token>`, made on the account page or by `manage.py token NAME`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """What the API's schema says of browser sessions."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
