"""What the machine cost the community in a month, as a steward enters it; `statements` divides it."""

from decimal import Decimal, InvalidOperation

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portal.core import leases
from portal.kit.errors import FieldError, UserError
from portal.ledger.models import MonthCost
from portal.ledger.statements import Month
from portal.members.models import Member
from portal.members.services import audit, changed_meanwhile

MOST_COST = Decimal(10) ** 9


def cents_of(text: str) -> int:
    """An amount with two places as cents. UserError `invalid` for what is none."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MOST_COST:
        raise _invalid("cost", _("Write the cost as a number, as in 120.50."))
    return int((amount * 100).to_integral_value())


@transaction.atomic
def enter(month: Month, cents: int, *, actor: Member, seen: int | None) -> None:
    """Enter what a month cost, or put right what was entered; its members' statements have their parts from then on.
    `seen` is what the actor saw entered before. UserError `invalid` for a month to come, `changed_meanwhile` when there
    is another than that.
    """
    if month.start > leases.clock():
        raise _invalid("month", _("This month is yet to come."))
    row = MonthCost.objects.select_for_update().filter(month=month.start.date()).first()
    old = row.cents if row else None
    if old == cents:
        return
    if old != seen:
        raise changed_meanwhile(month.name)
    if row is None:
        _add(month, cents, actor)
    else:
        row.cents, row.entered_by = cents, actor
        row.save(update_fields=["cents", "entered_by"])
    audit(actor, "cost.entered", month.name, {"cents": {"old": old, "new": cents}})


def _add(month: Month, cents: int, actor: Member) -> None:
    try:
        with transaction.atomic():
            MonthCost.objects.create(month=month.start.date(), cents=cents, entered_by=actor)
    except IntegrityError:  # somebody else did at the same moment
        raise changed_meanwhile(month.name) from None


def _invalid(field: str, detail: str) -> UserError:
    return UserError("invalid", detail, errors=[FieldError(field, detail)])
