"""What a month came to: for a member as a statement, for the community as a split of its cost."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from portal.kit.errors import FieldError, UserError
from portal.ledger import spans
from portal.ledger.models import Donation, LedgerEntry, MonthCost
from portal.ledger.queries import KINDS, SECONDS_AN_HOUR, WEIGHTED
from portal.members.models import Member

USED = Q(refunded=False)


@dataclass(frozen=True)
class Month:
    """A calendar month, UTC: from `start` to before `end`."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        return self.start.strftime("%Y-%m")

    @property
    def before(self) -> "Month":
        return month_of(self.start.year - (self.start.month == 1), (self.start.month - 2) % 12 + 1)


def month_of(year: int, month: int) -> Month:
    start = datetime(year, month, 1, tzinfo=UTC)
    return Month(start, (start + timedelta(days=31)).replace(day=1))


def parse_month(text: str, *, now: datetime) -> Month:
    """`2026-11` as a month, empty as this one. UserError `invalid` for anything else."""
    if not text:
        return month_of(now.year, now.month)
    try:
        found = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return month_of(found.year, found.month)
    except (ValueError, OverflowError):
        detail = _("Write the month as in %(example)s.") % {"example": now.strftime("%Y-%m")}
        raise UserError("invalid", detail, errors=[FieldError("month", detail)]) from None


@dataclass(frozen=True)
class Statement:
    """A member's month. An attempt that ran over its edge is in it by the time that it ran there.

    hours: device-hours by class; weighted_hours: those of all classes by their price and what part of an accelerator
    they took; energy_kwh: of the entries that tell it, `energy_measured` when all of those were measured. Refunded
    entries are listed and not counted; refunded_hours are theirs and those that a steward gave back, which count as
    negative hours. donations: what nodes of theirs gave, a row for each node and day, and given_hours their weighted
    hours. cost: what the month cost all together, and cost_part the member's part of it; None until it is entered.
    """

    member: Member
    month: Month
    entries: Sequence[LedgerEntry]
    hours: dict[str, float]
    weighted_hours: float
    refunded_hours: float
    energy_kwh: float
    energy_measured: bool
    donations: Sequence[Donation]
    cost: Decimal | None
    cost_part: Decimal | None

    @property
    def given_hours(self) -> float:
        return sum(day.weighted_hours for day in self.donations)


def statement(member: Member, month: Month) -> Statement:
    rows = LedgerEntry.objects.filter(spans.touching(month.start, month.end), member=member).order_by("-id")
    entries = [_within(entry, month) for entry in rows]
    used = [entry for entry in entries if not entry.refunded]
    metered = [entry for entry in used if entry.energy_kwh is not None]
    cost = cost_of(month)
    return Statement(
        member=member,
        month=month,
        entries=entries,
        hours={kind: sum(entry.hours for entry in used if entry.kind == kind) for kind in KINDS},
        weighted_hours=sum(entry.weighted_hours for entry in used),
        refunded_hours=sum(_given_back(entry) for entry in entries),
        energy_kwh=sum(entry.energy_kwh or 0.0 for entry in metered),
        energy_measured=bool(metered) and all(entry.energy_measured for entry in metered),
        donations=list(_given(member, month)),
        cost=cost.amount if cost else None,
        cost_part=_part_of(member, cost_split(month, cost.cents)) if cost else None,
    )


def cost_of(month: Month) -> MonthCost | None:
    """What was entered that a month cost all together."""
    return MonthCost.objects.select_related("entered_by").filter(month=month.start.date()).first()


def _part_of(member: Member, parts: Sequence["Part"]) -> Decimal:
    return next((part.amount for part in parts if part.username == member.username), Decimal(0))


def _given_back(entry: LedgerEntry) -> float:
    return entry.hours if entry.refunded else max(0.0, -entry.hours)


def _given(member: Member, month: Month) -> QuerySet[Donation]:
    return Donation.objects.filter(member=member, day__gte=month.start.date(), day__lt=month.end.date())


def _within(entry: LedgerEntry, month: Month) -> LedgerEntry:
    """What of an entry is in the month: of one that is in others too a copy, to look at."""
    here = spans.part(entry.began_at, entry.created_at, month.start, month.end)
    if here == 1.0:
        return entry
    found = copy(entry)
    found.device_seconds *= here
    found.energy_kwh = None if entry.energy_kwh is None else entry.energy_kwh * here
    return found


@dataclass(frozen=True)
class Part:
    """One member's part of the community's cost for a month."""

    username: str
    weighted_hours: float
    fraction: float
    cents: int

    @property
    def amount(self) -> Decimal:
        """In whole units, two places."""
        return Decimal(self.cents) / 100


def cost_split(month: Month, cents: int) -> list[Part]:
    """`cents` divided among the month's users by their weighted hours, the heaviest first. The parts add up to `cents`:
    what rounding leaves goes to the largest remainders (Hare's quota, Hamilton's method).
    """
    charged = LedgerEntry.objects.filter(USED)
    sums = spans.summed(charged, "member__username", of=WEIGHTED, since=month.start, until=month.end)
    used = sorted(
        ((seconds / SECONDS_AN_HOUR, name) for (name,), seconds in sums.items() if seconds > 0),
        key=lambda pair: (-pair[0], pair[1]),
    )
    whole = sum(hours for hours, _name in used)
    shares = [hours / whole for hours, _name in used]
    return [
        Part(name, hours, share, part)
        for (hours, name), share, part in zip(used, shares, divided(cents, shares), strict=True)
    ]


def divided(cents: int, shares: Sequence[float]) -> list[int]:
    """Whole cents by shares that sum to 1, by largest remainder; none of them when there are no shares."""
    exact = [cents * share for share in shares]
    parts = [int(value) for value in exact]
    by_remainder = sorted(range(len(parts)), key=lambda row: (parts[row] - exact[row], row))
    for row in by_remainder[: max(0, cents - sum(parts))]:
        parts[row] += 1
    return parts
