"""Who is asking."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal.members.models import Member


def signed_in(request: HttpRequest | Request) -> Member:
    """The member behind a request of a view that only members reach. TypeError in any other."""
    if not isinstance(request.user, Member):
        raise TypeError("this view is open to visitors: ask request.user")
    return request.user


def signed_in_steward(request: HttpRequest) -> Member:
    """The steward who asks. PermissionDenied, in words, for any other member."""
    member = signed_in(request)
    if not member.is_staff:
        raise PermissionDenied(_("Only stewards see this."))
    return member
