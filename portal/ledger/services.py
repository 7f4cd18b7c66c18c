"""What is written into the ledger, and what the quotas forbid."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import live
from portal.kit.amounts import in_bytes
from portal.kit.errors import UserError
from portal.ledger import queries
from portal.ledger.models import Donation, LedgerEntry, Quota, TeamShare
from portal.members.models import Member, Team
from portal.members.services import audit, changed_meanwhile

FORBIDDEN = 403
QUOTA_FIELDS = (
    "share", "storage_bytes", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What an attempt's time is worth and took: see `LedgerEntry`. Energy is None where nobody can tell, `began_at`
    where the month in which it ended is to have it all, `ended_at` where it ended just now, by this process's clock.
    """

    weight: float = 1.0
    node: str = ""
    energy_kwh: float | None = None
    energy_measured: bool = False
    began_at: datetime | None = None
    ended_at: datetime | None = None


def charge(
    *,
    member: Member,
    attempt_id: str,
    kind: str,
    device_seconds: float,
    refunded: bool,
    cost: Cost | None = None,
) -> LedgerEntry:
    """Enter what one attempt used. The first entry of an attempt stands; a repetition changes nothing."""
    what = asdict(cost or Cost())
    ended_at = what.pop("ended_at")
    what |= {"member": member, "kind": kind, "device_seconds": device_seconds, "refunded": refunded}
    entry, made = LedgerEntry.objects.get_or_create(attempt=attempt_id, corrects=None, defaults=what)
    if made and ended_at is not None:  # what Django enters is by the clock of a node, which may be wrong
        LedgerEntry.objects.filter(pk=entry.pk).update(created_at=ended_at)
        entry.created_at = ended_at
    return entry


def give_back_lost(entry: LedgerEntry, *, part: float, reason: str) -> None:
    """Give back the last `part` (0 to 1) of what was just entered: what the platform had an attempt lose. Once, and
    nothing of what was refunded; a repetition changes nothing.
    """
    if entry.refunded:
        return
    ended, began = entry.created_at, entry.began_at
    what = {
        "member_id": entry.member_id,
        "attempt": entry.attempt,
        "kind": entry.kind,
        "device_seconds": -part * entry.device_seconds,
        "weight": entry.weight,
        "node": entry.node,
        "reason": reason,
        "began_at": None if began is None else ended - part * (ended - began),
    }
    made, _new = LedgerEntry.objects.get_or_create(corrects=entry, defaults=what)
    LedgerEntry.objects.filter(pk=made.pk, entered_by=None).update(created_at=ended)


def enter_donation(*, member: Member, node: str, day: date, node_seconds: float, weight: float) -> Donation:
    """Enter what a node (by its name) gave on a day. The first entry stands; a repetition changes nothing."""
    entry, _made = Donation.objects.get_or_create(
        member=member, node=node, day=day, defaults={"node_seconds": node_seconds, "weight": weight}
    )
    return entry


@transaction.atomic
def set_quota(*, quota: Quota, actor: Member, seen: Quota | None = None) -> None:
    """Keep a member's quota as it is given (checked by its form), and note what changed. UserError `changed_meanwhile`
    when it is not as the actor saw it.
    """
    before = _locked(quota.member)
    changed = _changed(before, quota)
    if not changed:
        return
    if seen is not None and _changed(before, seen):
        raise changed_meanwhile(quota.member)
    audit(actor, "quota.set", quota.member, changed)
    Quota.objects.update_or_create(
        member=quota.member, defaults={name: getattr(quota, name) for name in QUOTA_FIELDS}
    )
    live.ring("scheduler")


@transaction.atomic
def reset_quota(*, member: Member, actor: Member) -> None:
    """Let the defaults hold for a member again."""
    audit(actor, "quota.reset", member, _changed(_locked(member), Quota(member=member)))
    Quota.objects.filter(member=member).delete()
    live.ring("scheduler")


def _locked(member: Member) -> Quota:
    """The quota of a member as it stands, until the transaction ends; the defaults without a row."""
    Member.objects.select_for_update().get(pk=member.pk)
    return queries.quota_of(member)


def _changed(old: Quota, new: Quota) -> dict[str, dict[str, float]]:
    return {
        name: {"old": getattr(old, name), "new": getattr(new, name)}
        for name in QUOTA_FIELDS
        if getattr(old, name) != getattr(new, name)
    }


@transaction.atomic
def set_team_share(*, team: Team, share: float, actor: Member, seen: float | None = None) -> None:
    """Give a team a share of the machine, split among its members; none by 0. UserError `changed_meanwhile` when it
    had another than the actor saw.
    """
    Team.objects.select_for_update().get(pk=team.pk)
    old = queries.team_share(team)
    if old == share:
        return
    if seen not in {None, old}:
        raise changed_meanwhile(team)
    audit(actor, "team_share.set", team, {"share": {"old": old, "new": share}})
    if share:
        TeamShare.objects.update_or_create(team=team, defaults={"share": share})
    else:
        TeamShare.objects.filter(team=team).delete()
    live.ring("scheduler")


def check_storage(member: Member, more_bytes: int) -> None:
    """UserError `quota_storage` when `more_bytes` more would not fit in the member's quota."""
    allowed = queries.quota_of(member).storage_bytes
    used = queries.storage_used(member)
    if used + more_bytes <= allowed:
        return
    detail = _(
        "This needs %(more)s, and %(free)s of your %(allowed)s are free: your storage quota has %(used)s in use. "
        "Delete datasets or brought models that you no longer need, or ask a steward for more."
    )
    figures = {"more": more_bytes, "free": max(0, allowed - used), "allowed": allowed, "used": used}
    raise UserError("quota_storage", detail % _told_apart(figures), status=FORBIDDEN)


def _told_apart(figures: Mapping[str, int]) -> dict[str, str]:
    """Sizes in words; to the byte where what is needed and what is free would read the same."""
    told = {name: in_bytes(size) for name, size in figures.items()}
    if told["more"] == told["free"]:
        return {name: _("%(count)s bytes") % {"count": f"{size:,}"} for name, size in figures.items()}
    return told


def check_may_use(member: Member, accelerator: str) -> None:
    """UserError `quota_zero` when the member may never use that class (`any`: none at all), or run no job at all."""
    quota = queries.quota_of(member)
    if quota.concurrent_jobs == 0:
        detail = _(
            "Your quota allows no jobs at once, so this one would never start. Ask a steward for some."
        )
        raise UserError("quota_zero", detail, status=FORBIDDEN)
    hours = queries.allowed_hours(quota)
    wanted = hours if accelerator == "any" else {accelerator: hours.get(accelerator, 0.0)}
    if any(allowed > 0 for allowed in wanted.values()):
        return
    if accelerator == "any":
        detail = _(
            "Your quota allows no accelerator at all: it has 0 hours a month of every class. Ask a steward for some."
        )
    else:
        detail = _(
            "Your quota allows no %(kind)s: it has 0 %(kind)s hours a month. Choose another accelerator, or ask a "
            "steward for some hours."
        )
    raise UserError("quota_zero", detail % {"kind": accelerator.upper()}, status=FORBIDDEN)
