"""What every page shows of the reader's quota."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.ledger import queries
from portal.members.models import Member


def quota(request: HttpRequest) -> dict[str, Any]:
    """`my_quota`: storage and jobs, used and allowed, the figures of GET /me; asked for when a page shows it."""
    return {"my_quota": SimpleLazyObject(lambda: _of(getattr(request, "user", None)))}


def _of(member: object) -> dict[str, int] | None:
    if not isinstance(member, Member):
        return None
    allowed = queries.quota_of(member)
    return {
        "storage_used": queries.storage_used(member),
        "storage_allowed": allowed.storage_bytes,
        "jobs_running": queries.jobs_running(member),
        "jobs_allowed": allowed.concurrent_jobs,
    }
