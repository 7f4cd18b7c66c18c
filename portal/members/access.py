"""Who is asking."""

from django.http import HttpRequest
from rest_framework.request import Request

from portal.members.models import Member


def signed_in(request: HttpRequest | Request) -> Member:
    """The member behind a request of a view that only members reach. TypeError in any other."""
    if not isinstance(request.user, Member):
        raise TypeError("this view is open to visitors: ask request.user")
    return request.user
