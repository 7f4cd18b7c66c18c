"""What every page shows of the reader's quota."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.ledger import queries
from portal.members.models import Member


def quota(request: HttpRequest) -> dict[str, Any]:
    """`my_quota`: what is used and allowed, the figures of GET /me; asked for when a page shows it."""
    return {"my_quota": SimpleLazyObject(lambda: _of(getattr(request, "user", None)))}


def _of(member: object) -> dict[str, Any] | None:
    if not isinstance(member, Member):
        return None
    quota, used = queries.quota_of(member), queries.usage(member)
    return {
        "storage_used": used.storage_bytes,
        "storage_allowed": quota.storage_bytes,
        "jobs_running": used.concurrent_jobs,
        "jobs_allowed": quota.concurrent_jobs,
        "hours": [
            {"kind": kind, "used": used.device_hours[kind], "allowed": allowed}
            for kind, allowed in queries.allowed_hours(quota).items()
            if allowed > 0
        ],
    }
