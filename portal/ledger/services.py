"""What is written into the ledger, and what the quotas forbid."""

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from portal.kit.errors import UserError
from portal.ledger import queries
from portal.ledger.models import LedgerEntry
from portal.members.models import Member

FORBIDDEN = 403


def charge(
    *, member: Member, attempt_id: str, kind: str, device_seconds: float, refunded: bool
) -> LedgerEntry:
    """Enter what one attempt used. The first entry of an attempt stands; a repetition changes nothing."""
    entry, _made = LedgerEntry.objects.get_or_create(
        attempt=attempt_id,
        defaults={"member": member, "kind": kind, "device_seconds": device_seconds, "refunded": refunded},
    )
    return entry


def check_storage(member: Member, more_bytes: int) -> None:
    """UserError `quota_storage` when `more_bytes` more would not fit in the member's quota."""
    allowed = queries.quota_of(member).storage_bytes
    used = queries.storage_used(member)
    if used + more_bytes <= allowed:
        return
    detail = _(
        "This needs %(more)s, and %(free)s of your %(allowed)s are free. "
        "Delete datasets you no longer need, or ask a steward for more."
    )
    figures = {"more": more_bytes, "free": max(0, allowed - used), "allowed": allowed}
    words = {name: filesizeformat(size).replace("\xa0", " ") for name, size in figures.items()}
    raise UserError("quota_storage", detail % words, status=FORBIDDEN)


def check_may_use(member: Member, accelerator: str) -> None:
    """UserError `quota_zero` when the member may never use that class (`any`: none at all)."""
    hours = queries.allowed_hours(queries.quota_of(member))
    wanted = hours if accelerator == "any" else {accelerator: hours.get(accelerator, 0.0)}
    if any(allowed > 0 for allowed in wanted.values()):
        return
    if accelerator == "any":
        detail = _("Your quota allows no accelerator at all. Ask a steward for some hours.")
    else:
        detail = _(
            "Your quota allows no %(kind)s. Choose another accelerator, or ask a steward for some hours."
        )
    raise UserError("quota_zero", detail % {"kind": accelerator.upper()}, status=FORBIDDEN)
