"""What a member may use, what they used, and their share of the machine.

What runs and what fades goes by the database's clock, as attempts' times are its: `now`, read where it is not given.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce, TruncDate

from portal.core import leases
from portal.ledger import registry, shares, spans
from portal.ledger.models import Donation, LedgerEntry, Quota, TeamShare
from portal.ledger.registry import Held
from portal.members.models import Member, Team

KINDS = ("cpu", "gpu", "tpu", "fpga")
REMEMBERED = timedelta(days=shares.REMEMBERED_DAYS)
SECONDS_AN_HOUR = 3600.0
WEIGHTED = F("device_seconds") * F("weight")
OF = Coalesce("corrects__created_at", "created_at")  # when what an entry is about was used
MANY = 50  # members, from which on they are not named in a query
DONATED = F("node_seconds") * F("weight")


@dataclass(frozen=True)
class Usage:
    """What a member uses now (storage, jobs) and used this month (device-hours by class, with what runs)."""

    storage_bytes: int
    concurrent_jobs: int
    device_hours: dict[str, float]


@dataclass(frozen=True)
class Share:
    """The fraction of the machine that a member is entitled to, what they used of it lately (with what runs), and by
    what their jobs' weight is multiplied for that, among those who have jobs now.
    """

    share: float
    used_fraction: float
    fair_factor: float


def quota_of(member: Member) -> Quota:
    """The member's quota; one with the defaults (and not saved) if none was set."""
    return Quota.objects.filter(member=member).first() or Quota(member=member)


def team_share(team: Team) -> float:
    """The share that a steward gave the team; 0 without one."""
    return TeamShare.objects.filter(team=team).values_list("share", flat=True).first() or 0.0


def charges_of(attempts: Iterable[str]) -> dict[str, LedgerEntry]:
    """What was entered for each of these attempts (by id) when it ended; one that never began has no entry."""
    rows = LedgerEntry.objects.filter(attempt__in=list(attempts), corrects=None)
    return {row.attempt: row for row in rows}


def allowed_hours(quota: Quota) -> dict[str, float]:
    """Device-hours a month, by class."""
    return {kind: getattr(quota, f"{kind}_hours") for kind in KINDS}


def concurrency_limits(owners: Iterable[str]) -> dict[str, int]:
    """How many jobs each of these members (by id) may have running at once."""
    default = Quota._meta.get_field("concurrent_jobs").default  # noqa: SLF001 - documented introspection
    limits = dict.fromkeys(owners, int(default))
    quotas = Quota.objects.filter(_of(limits)).values_list("member", "concurrent_jobs")
    limits.update((member, limit) for member, limit in quotas if member in limits)
    return limits


def _of(members: Collection[str]) -> Q:
    """A filter by member; none for many of them, as to name them takes longer than to read a few rows too many: what
    is read is to be looked up by member.
    """
    return Q(member__in=list(members)) if len(members) <= MANY else Q()


def storage_used(member: Member) -> int:
    """Bytes that the member's things take."""
    return sum(counter(member) for counter in registry.STORAGE.values())


def jobs_running(member: Member) -> int:
    """How many of the member's jobs hold an accelerator now."""
    return sum(counter(member) for counter in registry.JOBS.values())


def usage(member: Member) -> Usage:
    """What the member uses now and used since the month began (UTC)."""
    now = leases.clock()
    return Usage(
        storage_bytes=storage_used(member),
        concurrent_jobs=jobs_running(member),
        device_hours=hours_used(member, since=month_start(now), now=now),
    )


def month_start(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def held(owners: Collection[str] | None = None) -> list[Held]:
    """The accelerators that these members (by id; None: all) hold now, perhaps with others'. One query."""
    return [each for holder in registry.HELD.values() for each in holder(owners)]


def hours_used(member: Member, *, since: datetime, now: datetime | None = None) -> dict[str, float]:
    """Device-hours by class since then, with what runs now, without those that were refunded. Two queries, and one
    more unless `now` is given.
    """
    used = _hours_by_member([member.pk], held([member.pk]), since=since, now=now or leases.clock())
    return {kind: used.get((member.pk, kind), 0.0) for kind in KINDS}


@dataclass(frozen=True)
class Hours:
    """The classes that a member may not use at all, and those of which this month's device-hours are spent."""

    closed: frozenset[str]
    spent: frozenset[str]


def hours_standing(
    owners: Iterable[str], running: Iterable[Held] | None = None, *, now: datetime | None = None
) -> dict[str, Hours]:
    """How the members (by id) stand with their device-hours. Two queries, however many they are, and one more each
    unless what they hold and `now` are given.
    """
    wanted, now = list(owners), now or leases.clock()
    quotas = {quota.member_id: quota for quota in Quota.objects.filter(_of(wanted))}
    running = held(wanted) if running is None else running
    used = _hours_by_member(wanted, running, since=month_start(now), now=now)
    default = allowed_hours(Quota())
    found = {}
    for owner in wanted:
        allowed = allowed_hours(quotas[owner]) if owner in quotas else default
        closed = frozenset(kind for kind in KINDS if allowed[kind] <= 0)
        spent = frozenset(kind for kind in KINDS if used.get((owner, kind), 0.0) >= allowed[kind])
        found[owner] = Hours(closed, spent - closed)
    return found


def _hours_by_member(
    owners: list[str], running: Iterable[Held], *, since: datetime, now: datetime
) -> dict[tuple[str, str], float]:
    charged = LedgerEntry.objects.filter(_of(owners), refunded=False)
    seconds = spans.summed(charged, "member", "kind", of="device_seconds", since=since)
    for each in running:
        place = each.member, each.kind
        seconds[place] = seconds.get(place, 0.0) + each.seconds(since, now)
    return {(member, kind): found / SECONDS_AN_HOUR for (member, kind), found in seconds.items()}


def share_of(member: Member) -> Share:
    """The member's share among all who may use the machine, against their part of what was used lately."""
    now, rivals = leases.clock(), _rivals()
    used = _used_by_all(now)
    everyones = sum(used.values())
    return Share(
        share=entitlements([member.pk], now=now).get(member.pk, 0.0),
        used_fraction=used[member.pk] / everyones if everyones else 0.0,
        fair_factor=_fair_factor(member.pk, rivals, entitlements([member.pk, *rivals], now=now), used),
    )


def _rivals() -> set[str]:
    return {owner for told in registry.RIVALS.values() for owner in told()}


def _fair_factor(
    member: str, rivals: Collection[str], share: Mapping[str, float], used_s: Mapping[str, float]
) -> float:
    among = {member, *rivals}
    whole = sum(share.get(each, 0.0) for each in among) or 1.0
    everyones_s = sum(used_s.get(each, 0.0) for each in among)
    return shares.fair_factor(used_s.get(member, 0.0), everyones_s, share.get(member, 0.0) / whole)


@dataclass(frozen=True)
class Stand:
    """How one of those who share the machine stands: `share`, `used_fraction` and `fair_factor` as in `Share`,
    used_hours and given_hours weighted, and faded by their age.
    """

    username: str
    share: float
    used_fraction: float
    used_hours: float
    given_hours: float
    fair_factor: float


def everyones_stand() -> list[Stand]:
    """All active members by name, each with the figures that `share_of` tells of them. As many queries for many as for
    few.
    """
    now, rivals = leases.clock(), _rivals()
    given, used = _faded_donations(now), _used_by_all(now)
    share, among, everyones = entitlements(now=now), entitlements(rivals, now=now), sum(used.values())
    names = Member.objects.filter(is_active=True).order_by("username").values_list("pk", "username")
    return [
        Stand(
            username=name,
            share=share[pk],
            used_fraction=used[pk] / everyones if everyones else 0.0,
            used_hours=used[pk] / SECONDS_AN_HOUR,
            given_hours=given.get(pk, 0.0) / SECONDS_AN_HOUR,
            fair_factor=_fair_factor(pk, rivals, among, used),
        )
        for pk, name in names
        if pk in share and pk in used  # who joined just now has neither
    ]


def worth(owners: Iterable[str], *, now: datetime | None = None) -> dict[str, float]:
    """What each of these members (by id) is entitled to, on the scale on which stewards set shares: their own, their
    part of their teams' and what they earned.
    """
    wanted = list(owners)
    own = _own_shares(wanted)
    fractions, whole = _entitled(own, now or leases.clock()), sum(own.values())
    return {owner: fractions.get(owner, 0.0) * whole for owner in wanted}


@dataclass(frozen=True)
class Standing:
    """What a member is entitled to (a fraction of the whole) and used lately, with what runs: weighted device-seconds,
    faded by their age.
    """

    share: float
    used_s: float


def standing(
    owners: Iterable[str], running: Iterable[Held] | None = None, *, now: datetime | None = None
) -> dict[str, Standing]:
    """How these members (by id) stand towards each other. Four queries, however many they are, and one more each unless
    what they hold and `now` are given.
    """
    wanted, now = list(owners), now or leases.clock()
    in_use = _in_use(held(wanted) if running is None else running, now)
    everyones = entitlements(wanted, now=now)
    given = {owner: everyones.get(owner, 0.0) for owner in wanted}
    whole = sum(given.values()) or 1.0
    used = _faded_by_member(wanted, now)
    return {
        owner: Standing(share / whole, used.get(owner, 0.0) + in_use.get(owner, 0.0))
        for owner, share in given.items()
    }


def _in_use(running: Iterable[Held], now: datetime) -> dict[str, float]:
    """Weighted device-seconds of what runs, by member: the ledger has what ended."""
    found: dict[str, float] = {}
    for each in running:
        found[each.member] = found.get(each.member, 0.0) + each.price * each.seconds(each.since, now)
    return found


def entitlements(also: Iterable[str] = (), *, now: datetime | None = None) -> dict[str, float]:
    """The fraction of the machine of each active member, and of `also` these, by id: see `shares.entitled`. Three
    queries, and one more unless `now` is given.
    """
    return _entitled(_own_shares(also), now or leases.clock())


def _own_shares(also: Iterable[str]) -> dict[str, float]:
    default = float(Quota._meta.get_field("share").default)  # noqa: SLF001 - documented introspection
    named = set(also)
    wanted = Q(is_active=True) | Q(pk__in=named) if len(named) <= MANY else Q()
    rows = Member.objects.filter(wanted).order_by().values_list("pk", "quota__share", "is_active")
    return {
        pk: default if share is None else share for pk, share, is_active in rows if is_active or pk in named
    }


def _entitled(own: Mapping[str, float], now: datetime) -> dict[str, float]:
    return shares.entitled(shares.with_teams(own, _team_shares()), _faded_donations(now))


def _team_shares() -> list[tuple[float, list[str]]]:
    """The share and the members of each team that has one."""
    found: dict[str, tuple[float, list[str]]] = {}
    rows = TeamShare.objects.filter(share__gt=0, team__members__isnull=False).order_by("team")
    for team, share, member in rows.values_list("team", "share", "team__members"):
        found.setdefault(team, (share, []))[1].append(member)
    return list(found.values())


def _faded_donations(now: datetime) -> dict[str, float]:
    today = now.date()
    rows = Donation.objects.filter(day__gte=today - REMEMBERED).values("member", "day").order_by()
    found: dict[str, float] = {}
    for member, day, seconds in rows.annotate(all=Sum(DONATED)).values_list("member", "day", "all"):
        found[member] = found.get(member, 0.0) + shares.faded(seconds, float((today - day).days))
    return found


def _faded_by_member(owners: list[str], now: datetime) -> dict[str, float]:
    found: dict[str, float] = {}
    for member, day, seconds in used_by_day(owners, since=now - REMEMBERED):
        found[member] = found.get(member, 0.0) + shares.faded(seconds, float((now.date() - day).days))
    return {member: max(0.0, seconds) for member, seconds in found.items()}


def _used_by_all(now: datetime) -> dict[str, float]:
    """Weighted device-seconds of every member, faded by their age, with what runs."""
    members = list(Member.objects.order_by().values_list("pk", flat=True))
    used, in_use = _faded_by_member(members, now), _in_use(held(), now)
    return {pk: used.get(pk, 0.0) + in_use.get(pk, 0.0) for pk in members}


def used_by_day(
    owners: Iterable[str], *, since: datetime, until: datetime | None = None
) -> Iterable[tuple[str, date, float]]:
    """(member's id, day, weighted device-seconds without what was refunded), in one query. What was given back counts
    on the day of what it undoes.
    """
    charged = LedgerEntry.objects.filter(_of(list(owners)), created_at__gte=since, refunded=False)
    charged = charged.annotate(of=OF).filter(of__gte=since)
    if until is not None:
        charged = charged.filter(created_at__lt=until)
    days = charged.annotate(day=TruncDate("of")).values("member", "day").order_by()
    return days.annotate(all=Sum(WEIGHTED)).values_list("member", "day", "all")


def donated_days(node: str, member: Member) -> set[date]:
    """The days that are entered already for a node of theirs, by its name."""
    return set(Donation.objects.filter(node=node, member=member).values_list("day", flat=True))
