"""Ask for a replay, and run it: under a lease, so that one that was killed is seen to be lost, and can begin again."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.queue import tasks
from jobs.queue.models import Replay, Trial
from jobs.queue.replay import history as histories
from jobs.scheduler.policy import DEFAULT
from jobs.scheduler.replay import settings as changes
from jobs.scheduler.replay.compare import compare
from jobs.scheduler.replay.history import History, with_added
from jobs.scheduler.replay.settings import Settings
from jobs.scheduler.replay.world import RESTART_S, replay
from portal.core import leases
from portal.core.leases import StaleLease
from portal.kit import identity
from portal.kit.errors import UserError
from portal.ledger import shares
from portal.members.models import Member
from portal.members.services import audit

log = logging.getLogger(__name__)
MOST_DAYS: Final = 366
MOST_RESTART_S: Final = 86_400.0
LEASE_S: Final = 30.0
RENEW_S: Final = 2.0
LIMIT_S: Final = 600.0
KEPT: Final = 50
CONFLICT: Final = 409


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants to see. changes: NAME=VALUE each; added: KIND=COUNT or KIND=COUNT@SPEED each."""

    days: int = 30
    changes: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    restart_s: float = RESTART_S


def settings_as_they_are() -> Settings:
    return Settings(policy=DEFAULT, half_life_s=shares.HALF_LIFE_DAYS * changes.UNITS["d"])


@transaction.atomic
def ask(wish: Wish, *, actor: Member | None) -> Replay:
    """Note a replay that somebody is to run. UserError `bad_replay` for what can't be tried, `replay_running` while
    another one is; `actor` is None on the command line.
    """
    _check(wish)
    _only_one()
    made = Replay.objects.create(
        asked_by=actor,
        days=wish.days,
        changes=list(wish.changes),
        added=list(wish.added),
        restart_s=wish.restart_s,
        asked_at=timezone.now(),
    )
    audit(
        actor, "replay.start", made, {"days": wish.days, "set": list(wish.changes), "add": list(wish.added)}
    )
    old = Replay.objects.order_by("-id").values_list("pk", flat=True)[KEPT:]
    Replay.objects.filter(pk__in=list(old)).delete()
    return made


@transaction.atomic
def again(found: Replay, *, actor: Member) -> None:
    """Begin once more with one that was lost or failed. UserError `replay_running` when that makes no sense."""
    _only_one()
    if found.is_open and not found.is_lost:
        raise UserError("replay_running", _("This replay runs already."), status=CONFLICT)
    Replay.objects.filter(pk=found.pk).update(
        state=Trial.WAITING,
        asked_at=timezone.now(),
        started_at=None,
        ended_at=None,
        progress=0.0,
        message="",
        lease_expires_at=None,
    )
    audit(actor, "replay.again", found)


def send(found: Replay) -> None:
    """Have a helper run it once it is committed."""
    transaction.on_commit(lambda: tasks.wake_replay(found.pk))


def run(replay_id: str, *, limit_s: float = LIMIT_S) -> None:
    """Run it unless it was, or another process does. What a steward can put right becomes its message."""
    rows = Replay.objects.filter(pk=replay_id, state__in=[Trial.WAITING, Trial.RUNNING])
    epoch = leases.take(rows, holder=identity.me(), ttl_s=LEASE_S)
    if epoch is None:
        return
    held = _Held(rows, epoch, until=time.monotonic() + limit_s)
    try:
        held.write(state=Trial.RUNNING, started_at=timezone.now(), progress=0.0, message="")
        _end(held, _outcome(rows.get(), held))
    except StaleLease:
        log.info("replay %s was deleted, or is someone else's now", replay_id)


def _outcome(found: Replay, held: "_Held") -> dict[str, Any]:
    """What to write of it: its result, or what went wrong."""
    try:
        return {"state": Trial.DONE, "progress": 1.0, **_result(found, held)}
    except UserError as error:
        return {"state": Trial.FAILED, "message": error.detail}
    except StaleLease:
        raise
    except Exception:
        log.exception("replay %s failed", found.pk)
        detail = _("Something unexpected went wrong. The log of the process that ran it says what.")
        return {"state": Trial.FAILED, "message": detail}


def _end(held: "_Held", what: Mapping[str, Any]) -> None:
    """The lease is left to run out: nobody takes one that has ended."""
    held.write(ended_at=timezone.now(), **what)


def _result(found: Replay, held: "_Held") -> dict[str, Any]:
    """The same jobs twice: as the settings are, and as they shall be."""
    began = time.monotonic()
    was = histories.read(days=found.days, now=found.asked_at)
    now, then, machine = _tried(found, was)
    before = replay(was, now, restart_s=found.restart_s, watch=held.watch(0.0))
    after = replay(machine, then, restart_s=found.restart_s, watch=held.watch(0.5))
    facts = {
        "jobs": sum(not job.carried for job in was.jobs),
        "carried": sum(job.carried for job in was.jobs),
        "left_out": dict(was.left_out),
        "lost_s": was.lost_s,
        "since": (found.asked_at - timedelta(days=found.days)).isoformat(timespec="seconds"),
        "until": found.asked_at.isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - began, 2),
    }
    return {"result": compare(was, before, machine, after).as_json(), "facts": facts}


def _tried(found: Replay, was: History) -> tuple[Settings, Settings, History]:
    """UserError for a member who has no jobs in it: their share would change nothing, unseen."""
    now = settings_as_they_are()
    then = changes.parse(found.changes, now)
    if unknown := sorted(set(then.shares) - set(was.names)):
        detail = _("%(name)s has no jobs in these days. Those who have: %(names)s.")
        raise UserError("bad_replay", detail % {"name": unknown[0], "names": ", ".join(sorted(was.names))})
    return now, then, replace(was, pools=_with_added(was, found.added))


def _with_added(was: History, added: Sequence[str]) -> Any:
    try:
        return with_added(was.pools, added)
    except ValueError as error:
        raise UserError("bad_replay", str(error)) from None


def _check(wish: Wish) -> None:
    if not 1 <= wish.days <= MOST_DAYS:
        detail = _("Days are a number from 1 to %(most)s.") % {"most": MOST_DAYS}
        raise UserError("bad_replay", detail)
    if not 0 <= wish.restart_s <= MOST_RESTART_S:
        raise UserError("bad_replay", _("A restart costs from 0 seconds to a day."))
    try:
        changes.parse(wish.changes)
        with_added(histories.machine(), wish.added)
    except ValueError as error:
        raise UserError("bad_replay", str(error)) from None


def _only_one() -> None:
    """A replay keeps a processor busy; two at once would keep the helper from checking uploads."""
    open_ = Replay.objects.filter(state__in=[Trial.WAITING, Trial.RUNNING])
    if any(not each.is_lost for each in open_):
        detail = _("Another replay runs. Begin this one when it is done.")
        raise UserError("replay_running", detail, status=CONFLICT)


@dataclass
class _Held:
    """The replay's row, as long as its lease is ours."""

    rows: QuerySet[Replay]
    epoch: int
    until: float
    told: float = field(default=0.0, init=False)

    def write(self, **changed: Any) -> None:
        """Raises StaleLease when the lease was lost or the replay deleted."""
        leases.renew(self.rows, epoch=self.epoch, ttl_s=LEASE_S, **changed)

    def watch(self, begin: float) -> Callable[[float], None]:
        """For one of the two runs: keeps the lease, tells the progress, and ends what takes too long."""

        def told(done: float) -> None:
            now = time.monotonic()
            if now > self.until:
                raise UserError("too_long", _("It took too long, so it was ended. Ask for fewer days."))
            if now - self.told > RENEW_S:
                self.told = now
                self.write(progress=begin + done / 2)

        return told
