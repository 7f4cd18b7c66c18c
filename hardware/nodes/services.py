"""What happens to nodes: they register, beat, fall silent, and stewards correct them and take them in and out of
service.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, Max, Q, QuerySet, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from hardware.nodes import donations, samples
from hardware.nodes.found import FIRST_INDEX, FIRST_TERMS, Found, accelerators
from hardware.nodes.keys import kept
from hardware.nodes.models import (
    Accelerator,
    AcceleratorKind,
    MaintenanceWindow,
    Node,
    NodeState,
    SpeedFrom,
)
from hardware.nodes.probe.sampling import Reading
from portal.core import leases, live
from portal.core.leases import clock as database_clock
from portal.kit import identity
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member
from portal.members.services import audit, changed_meanwhile

SILENT_AFTER = timedelta(seconds=20)  # ten beats; with the sweep it is offline within the promised 30 s
HELD_FOR = timedelta(seconds=10)  # since its last beat a worker that may live keeps the name
IN_USE = "node_name_in_use"
FINDINGS = ("model", "memory_bytes")  # what a node finds, and a steward may know better
SETTABLE = frozenset({NodeState.ACTIVE, NodeState.DRAINING, NodeState.MAINTENANCE})
AT_REST = frozenset({NodeState.OFFLINE, NodeState.MAINTENANCE})
SCHEDULER_BELL = "scheduler"


def own_key() -> str:
    """This computer's node key, kept in its home: who holds it may register under the name it had."""
    return kept("node-key", lambda: secrets.token_urlsafe(48).encode()).decode("ascii")


@dataclass(frozen=True)
class Correction:
    """What a steward says of one accelerator; None leaves a field as it is. `model` and `memory_bytes` as the node
    finds them take back an earlier correction.
    """

    model: str | None = None
    memory_bytes: int | None = None
    label: str | None = None
    relative_speed: float | None = None
    price: float | None = None
    sharing: int | None = None
    enabled: bool | None = None


@transaction.atomic
def register(
    *,
    name: str,
    key: str,
    probe: Mapping[str, Any],
    sandbox: Mapping[str, Any],
    load: Mapping[str, Any] | None = None,
    worker: str = "",
    after: str = "",
) -> Node:
    """Enter a node, or welcome it back: called when its worker starts.

    `key` is the node's own secret (`own_key`); of it only the SHA-256 is kept. `load` takes the place of what an
    earlier worker said last. `worker` is the process that works for the node from now on (`identity.me`), `after` one
    that is known to have ended. Raises UserError `node_name_taken` when the name belongs to a computer with another
    key, `node_name_in_use` while another worker beats that has the key too, as one on a copy of the home has.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    node, _made = Node.objects.select_for_update().get_or_create(name=name, defaults={"key_sha256": digest})
    if not hmac.compare_digest(node.key_sha256, digest):
        raise _name_taken(name)
    if _is_held(node, worker, after):
        raise _name_in_use(name)
    node.worker = worker
    node.probe, node.sandbox, node.load = dict(probe), dict(sandbox), dict(load or {})
    if node.state == NodeState.OFFLINE:
        node.state = NodeState.ACTIVE
    node.save(update_fields=["worker", "probe", "sandbox", "load", "state"])
    Node.objects.filter(pk=node.pk).update(last_seen_at=Now())  # not by the node's clock, which may be wrong
    node.refresh_from_db(fields=["last_seen_at"])
    _update_accelerators(node, accelerators(probe))
    live.ring(SCHEDULER_BELL)
    return node


def _name_taken(name: str) -> UserError:
    sentence = _(
        "Another computer is registered as node “%(name)s”, and this one does not hold its key. Give this "
        "node a name of its own with GRISTMILL_NODE, or copy secrets/node-key from that node's home, or have "
        "a steward delete the old node in the admin."
    )
    return UserError("node_name_taken", sentence % {"name": name}, status=409)


def _is_held(node: Node, worker: str, after: str) -> bool:
    """Whether another worker than this one has the name. It let go when it left, is known to have ended, or was silent
    for as long as nobody is who lives.
    """
    if node.worker in {"", worker, after} or identity.is_gone(node.worker):
        return False
    lately = leases.in_future(-HELD_FOR.total_seconds())
    return Node.objects.filter(pk=node.pk, last_seen_at__gt=lately).exists()


def _name_in_use(name: str) -> UserError:
    sentence = _(
        "Another worker is at work as node “%(name)s” with the same key. If this home or computer is a copy of that "
        "one's, remove secrets/node-key here and give this node a name of its own with GRISTMILL_NODE; else stop the "
        "other worker."
    )
    return UserError(IN_USE, sentence % {"name": name}, status=409)


def _worked_by(node: Node, worker: str) -> "QuerySet[Node]":
    """The node's row, as long as that worker has its name, or nobody."""
    return Node.objects.filter(pk=node.pk, worker__in={"", worker})


def _update_accelerators(node: Node, found: list[Found]) -> None:
    known = {(row.kind, row.index): row for row in node.accelerators.all()}
    for item in found:
        row = known.pop((item.kind, item.index), None)
        if row is None:
            _add(node, item)
        else:
            _refresh(row, item)
    gone = [row.pk for row in known.values() if row.enabled and not row.by_hand]
    Accelerator.objects.filter(pk__in=gone).update(enabled=False, missing_since=Now())


def _add(node: Node, item: Found, *, by_hand: bool = False) -> Accelerator:
    return Accelerator.objects.create(
        node=node,
        by_hand=by_hand,
        kind=item.kind,
        index=item.index,
        model=item.model,
        memory_bytes=item.memory_bytes,
        **FIRST_TERMS[item.kind]._asdict(),
    )


def _refresh(row: Accelerator, item: Found) -> None:
    for name in FINDINGS:
        if name not in row.corrected:
            setattr(row, name, getattr(item, name))
    row.by_hand = False
    if row.missing_since is not None:
        row.enabled, row.missing_since = True, None
    row.save(update_fields=["model", "memory_bytes", "by_hand", "enabled", "missing_since"])


def heartbeat(
    node: Node,
    load: Mapping[str, Any],
    *,
    worker: str = "",
    trouble: str = "",
    readings: Sequence[Reading] = (),
    clock: datetime | None = None,
) -> NodeState:
    """Note that the node lives and how busy it is; its state, which says whether it should take work.

    `trouble` says why the node itself can take none (empty: it can); `readings` go into the time series. A node
    that was offline is active again. The time is the database's, so that nodes' clocks need not agree; `clock` is
    what the node's own says, of which only the difference is noted. Raises Node.DoesNotExist when it was deleted, and
    UserError `node_name_in_use` when another than `worker` works for it by now.
    """
    rows = _worked_by(node, worker)
    back = rows.filter(state=NodeState.OFFLINE).update(state=NodeState.ACTIVE)
    well = rows.exclude(trouble="").update(trouble="") if not trouble else 0
    is_loaded = bool(load.get("warm")) and rows.filter(load__warm=0.0).exists()
    skew = None if clock is None else Value(clock, output_field=DateTimeField()) - Now()
    ours = rows.update(worker=worker, last_seen_at=Now(), load=dict(load), trouble=trouble, clock_skew=skew)
    if back or well or is_loaded:
        live.ring(SCHEDULER_BELL)
    state = NodeState(Node.objects.values_list("state", flat=True).get(pk=node.pk))
    if not ours:
        raise _name_in_use(node.name)
    samples.record(node, readings, takes_work=state == NodeState.ACTIVE and not trouble)
    return state


def leave(node: Node, *, worker: str = "") -> None:
    """The node's worker ends: no work is sent to it until it registers again. A steward's word stays."""
    rows = _worked_by(node, worker)
    rows.filter(state=NodeState.ACTIVE).update(state=NodeState.OFFLINE)
    rows.update(worker="")


def mark_silent(now: datetime) -> int:
    """Mark active nodes offline that were not heard of for `SILENT_AFTER` before `now`; how many.

    Draining and maintenance are a steward's word and outlast silence: such nodes take no work anyhow.
    """
    silent = silent_since(now - SILENT_AFTER)
    return Node.objects.filter(silent, state=NodeState.ACTIVE).update(state=NodeState.OFFLINE)


def silent_since(then: object) -> Q:
    """Nodes that were not heard of since `then`: a moment, or an expression of the database's."""
    return Q(last_seen_at__lt=then) | Q(last_seen_at=None, created_at__lt=then)


@transaction.atomic
def set_state(node: Node, state: NodeState, actor: Member) -> None:
    """Take a node in or out of service; what a maintenance window wanted of it is overruled. UserError `invalid`
    for `offline`, which silence alone makes.
    """
    if state not in SETTABLE:
        sentence = _("A node is offline when it is not heard of. Set it to active, draining or maintenance.")
        raise UserError("invalid", sentence, errors=[FieldError("state", sentence)])
    now = Node.objects.select_for_update().get(pk=node.pk)
    if now.state == state and now.window_id is None:
        return
    audit(actor=actor, action="node.state", subject=node.name, detail={"old": now.state, "new": str(state)})
    MaintenanceWindow.objects.filter(pk=now.window_id).update(overridden=True)
    node.state, node.window = state, None
    node.save(update_fields=["state", "window"])
    live.ring(SCHEDULER_BELL)


@transaction.atomic
def name_node(node: Node, label: str, actor: Member) -> None:
    """Give a node a label for people; the name it registers by stays."""
    if node.label != label:
        audit(actor=actor, action="node.label", subject=node.name, detail={"old": node.label, "new": label})
        node.label = label
        node.save(update_fields=["label"])


@transaction.atomic
def set_donor(node: Node, donor: Member | None, actor: Member) -> None:
    """Say who gave a node to the cooperative. What it gave in another's name until now is entered for them."""
    if node.donor != donor:
        now = database_clock()
        donations.enter(node, until=now)
        detail = {"old": node.donor and node.donor.username, "new": donor and donor.username}
        audit(actor=actor, action="node.donor", subject=node.name, detail=detail)
        node.donor, node.donor_since = donor, now if donor else None
        node.save(update_fields=["donor", "donor_since"])


@transaction.atomic
def correct(
    accelerator: Accelerator,
    correction: Correction,
    actor: Member,
    *,
    seen: Mapping[str, Any] | None = None,
) -> None:
    """Apply a steward's correction. UserError `not_there` when enabling what the node does not find,
    `changed_meanwhile` when a field that it changes is another than the actor saw.
    """
    if correction.enabled and accelerator.missing_since is not None:
        sentence = _(
            "The node did not find %(what)s when it last started. Plug it in and restart the node's worker."
        )
        raise UserError("not_there", sentence % {"what": accelerator}, status=409)
    changes = _changes(accelerator, correction)
    if not changes:
        return
    if seen and any(name in seen and seen[name] != getattr(accelerator, name) for name in changes):
        raise changed_meanwhile(accelerator)
    audit(actor=actor, action="accelerator.correct", subject=str(accelerator), detail=changes)
    if "enabled" in changes:
        changes["missing_since"] = None  # switched off by hand now: it stays off when it comes back
    if "relative_speed" in changes:
        changes["speed_from"] = SpeedFrom.STEWARD
    changes["corrected"] = _known_better(accelerator, changes)
    for field, value in changes.items():
        setattr(accelerator, field, value)
    accelerator.save(update_fields=list(changes))
    live.ring(SCHEDULER_BELL)


def learn_speeds(found: Mapping[tuple[str, str], float], *, alike: float) -> int:
    """Enter the relative speeds of accelerators by class and model, but where a steward said one; how many changed. One
    that differs by no more than the part `alike` is left.
    """
    changed = 0
    for row in Accelerator.objects.exclude(speed_from=SpeedFrom.STEWARD):
        speed = found.get((row.kind, row.model))
        if speed is None or max(speed / row.relative_speed, row.relative_speed / speed) <= 1.0 + alike:
            continue
        mine = Accelerator.objects.filter(pk=row.pk).exclude(speed_from=SpeedFrom.STEWARD)
        changed += mine.update(relative_speed=float(f"{speed:.2g}"), speed_from=SpeedFrom.JOBS)
    if changed:
        live.ring(SCHEDULER_BELL)
    return changed


def _changes(accelerator: Accelerator, correction: Correction) -> dict[str, Any]:
    """What it says that is not so already. Of one that is missing, that it is to be off is new, though it is off."""
    said = {name: value for name, value in vars(correction).items() if value is not None}
    return {
        name: value
        for name, value in said.items()
        if getattr(accelerator, name) != value
        or (name == "enabled" and accelerator.missing_since is not None)
    }


def _known_better(accelerator: Accelerator, changes: Mapping[str, Any]) -> list[str]:
    """What of the findings is another than the node's by what a steward said, now or before."""
    if accelerator.by_hand:
        return []
    place = (accelerator.kind, accelerator.index)
    found = next(
        (each for each in accelerators(accelerator.node.probe) if (each.kind, each.index) == place), None
    )
    said = {name for name in FINDINGS if name in changes}
    differ = {name for name in said if found is None or getattr(found, name) != changes[name]}
    return sorted(set(accelerator.corrected) - said | differ)


@transaction.atomic
def add(
    node: Node,
    *,
    kind: AcceleratorKind,
    model: str,
    memory_bytes: int,
    index: int | None = None,
    actor: Member,
) -> Accelerator:
    """Enter an accelerator that the node's probe can't find; `index` is the next one when not given. It is there
    until it is removed, or the probe finds one of its kind and number. UserError `already_there`.
    """
    Node.objects.select_for_update().get(pk=node.pk)
    alike = node.accelerators.filter(kind=kind)
    if index is None:
        last = alike.aggregate(last=Max("index"))["last"]
        index = FIRST_INDEX.get(kind, 0) if last is None else last + 1
    if alike.filter(index=index).exists():
        sentence = _("This node has a %(kind)s of number %(index)d already. Give this one another number.")
        raise UserError("already_there", sentence % {"kind": kind.label, "index": index}, status=409)
    row = _add(node, Found(kind, index, model, memory_bytes), by_hand=True)
    detail = {"model": model, "memory_bytes": memory_bytes}
    audit(actor=actor, action="accelerator.add", subject=str(row), detail=detail)
    live.ring(SCHEDULER_BELL)
    return row


@transaction.atomic
def remove(accelerator: Accelerator, actor: Member) -> None:
    """Forget an accelerator, with its readings. UserError `takes_work` unless it was disabled first, `still_there`
    when the node finds it, so that it would be back after a restart.
    """
    if accelerator.enabled:
        sentence = _("%(what)s takes work. Disable it first, and wait until nothing runs on it.")
        raise UserError("takes_work", sentence % {"what": accelerator}, status=409)
    if not accelerator.by_hand and accelerator.missing_since is None:
        sentence = _("The node finds %(what)s whenever it starts. Leave it disabled, or unplug it.")
        raise UserError("still_there", sentence % {"what": accelerator}, status=409)
    detail = {"model": accelerator.model}
    audit(actor=actor, action="accelerator.remove", subject=str(accelerator), detail=detail)
    accelerator.delete()


@transaction.atomic
def forget_node(node: Node, actor: Member) -> None:
    """Delete a node that is gone for good; its jobs keep its name, and its donor has what it gave until now. UserError
    `takes_work` unless it is offline or in maintenance.
    """
    now = Node.objects.select_for_update(of=("self",)).select_related("donor").get(pk=node.pk)
    if now.state not in AT_REST:
        sentence = _(
            "%(name)s takes work. Set it to maintenance, wait until nothing runs on it, then delete it."
        )
        raise UserError("takes_work", sentence % {"name": node.name}, status=409)
    donations.enter(now, until=database_clock())
    detail = {"label": now.label, "state": now.state, "donor": now.donor and now.donor.username}
    audit(actor=actor, action="node.deleted", subject=node.name, detail=detail)
    now.delete()
    live.ring(SCHEDULER_BELL)
