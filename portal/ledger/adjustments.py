"""What stewards put right in the ledger: by entries of their own, since what is entered stands."""

from typing import Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portal.core import live
from portal.kit.errors import FieldError, UserError
from portal.ledger.models import LedgerEntry
from portal.ledger.queries import KINDS, SECONDS_AN_HOUR
from portal.members.models import Member
from portal.members.services import audit

MOST_HOURS: Final = 1e6
CONFLICT: Final = 409


def adjust(*, member: Member, kind: str, hours: float, reason: str, actor: Member) -> LedgerEntry:
    """Charge `member` device-hours of a class, or give some back (negative). UserError `invalid` without a reason, for
    another class, and for no hours or absurdly many.
    """
    if kind not in KINDS:
        raise _invalid("kind", _("Choose one of %(kinds)s.") % {"kinds": ", ".join(KINDS)})
    if not 0 < abs(hours) <= MOST_HOURS:
        raise _invalid("hours", _("Write hours, as 2.5, or -2.5 to give them back."))
    return _enter(
        LedgerEntry(
            member=member,
            kind=kind,
            device_seconds=hours * SECONDS_AN_HOUR,
            reason=_given(reason),
            entered_by=actor,
        ),
        actor,
    )


def give_back(entry: LedgerEntry, *, reason: str, actor: Member) -> LedgerEntry:
    """Undo an entry by one with the opposite sign, once. UserError `already_given_back` for what was undone before, if
    only in part, or never counted, `invalid` for a correction, or without a reason.
    """
    if entry.corrects_id is not None:
        raise _invalid("corrects", _("This is a correction itself. Enter an adjustment instead."))
    before = LedgerEntry.objects.filter(corrects=entry).first()
    if before is not None and before.device_seconds > -entry.device_seconds:
        detail = _("%(hours).2f hours of it were given back already. Enter an adjustment for the rest.")
        raise UserError("already_given_back", detail % {"hours": -before.hours}, status=CONFLICT)
    if entry.refunded or before is not None:
        raise _already()
    correction = LedgerEntry(
        member_id=entry.member_id,
        attempt=entry.attempt,
        kind=entry.kind,
        device_seconds=-entry.device_seconds,
        weight=entry.weight,
        node=entry.node,
        corrects=entry,
        reason=_given(reason),
        entered_by=actor,
    )
    try:
        return _enter(correction, actor)
    except IntegrityError:  # somebody else did at the same moment
        raise _already() from None


def _enter(entry: LedgerEntry, actor: Member) -> LedgerEntry:
    with transaction.atomic():
        entry.save()
        detail = {
            "kind": entry.kind,
            "hours": round(entry.hours, 6),
            "reason": entry.reason,
            "corrects": entry.corrects_id,
        }
        audit(actor, "ledger.adjust", entry.member, detail)
        live.ring("scheduler")
    return entry


def _given(reason: str) -> str:
    if not (found := reason.strip()):
        raise _invalid("reason", _("Say why: the member reads it on their statement."))
    return found[:200]


def _invalid(field: str, detail: str) -> UserError:
    return UserError("invalid", detail, errors=[FieldError(field, detail)])


def _already() -> UserError:
    return UserError("already_given_back", _("It was given back already."), status=CONFLICT)
