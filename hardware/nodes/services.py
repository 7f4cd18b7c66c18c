"""What happens to nodes: they register, beat, fall silent, and stewards take them in and out of service."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from hardware.nodes.found import Found, accelerators
from hardware.nodes.keys import kept
from hardware.nodes.models import Accelerator, Node, NodeState
from portal.core import live
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member
from portal.members.services import audit

SILENT_AFTER = timedelta(seconds=30)
SETTABLE = frozenset({NodeState.ACTIVE, NodeState.DRAINING, NodeState.MAINTENANCE})
SCHEDULER_BELL = "scheduler"


def own_key() -> str:
    """This computer's node key, kept in its home: who holds it may register under the name it had."""
    return kept("node-key", lambda: secrets.token_urlsafe(48).encode()).decode("ascii")


@dataclass(frozen=True)
class Correction:
    """What a steward says of one accelerator; None leaves a field as it is."""

    relative_speed: float | None = None
    enabled: bool | None = None


@transaction.atomic
def register(*, name: str, key: str, probe: Mapping[str, Any], sandbox: Mapping[str, Any]) -> Node:
    """Enter a node, or welcome it back: called when its worker starts.

    `key` is the node's own secret (`own_key`); of it only the SHA-256 is kept. Raises
    UserError `node_name_taken` when the name belongs to a computer with another key.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    node, _made = Node.objects.select_for_update().get_or_create(name=name, defaults={"key_sha256": digest})
    if not hmac.compare_digest(node.key_sha256, digest):
        raise _name_taken(name)
    node.probe, node.sandbox, node.last_seen_at = dict(probe), dict(sandbox), timezone.now()
    if node.state == NodeState.OFFLINE:
        node.state = NodeState.ACTIVE
    node.save()
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


def _update_accelerators(node: Node, found: list[Found]) -> None:
    known = {(row.kind, row.index): row for row in node.accelerators.all()}
    for item in found:
        row = known.pop((item.kind, item.index), None)
        if row is None:
            _add(node, item)
        else:
            _refresh(row, item)
    gone = [row.pk for row in known.values() if row.enabled]
    Accelerator.objects.filter(pk__in=gone).update(enabled=False, missing_since=timezone.now())


def _add(node: Node, item: Found) -> None:
    Accelerator.objects.create(
        node=node,
        kind=item.kind,
        index=item.index,
        model=item.model,
        memory_bytes=item.memory_bytes,
        relative_speed=item.first_speed,
    )


def _refresh(row: Accelerator, item: Found) -> None:
    row.model, row.memory_bytes = item.model, item.memory_bytes
    if row.missing_since is not None:
        row.enabled, row.missing_since = True, None
    row.save(update_fields=["model", "memory_bytes", "enabled", "missing_since"])


def heartbeat(node: Node, load: Mapping[str, Any], *, trouble: str = "") -> NodeState:
    """Note that the node lives and how busy it is; its state, which says whether it should take work.

    `trouble` says why the node itself can take none (empty: it can). A node that was offline is active again. The
    time is the database's, so that nodes' clocks need not agree.
    """
    rows = Node.objects.filter(pk=node.pk)
    back = rows.filter(state=NodeState.OFFLINE).update(state=NodeState.ACTIVE)
    well = rows.exclude(trouble="").update(trouble="") if not trouble else 0
    if back or well:
        live.ring(SCHEDULER_BELL)
    rows.update(last_seen_at=Now(), load=dict(load), trouble=trouble)
    return NodeState(rows.values_list("state", flat=True).get())


def leave(node: Node) -> None:
    """The node's worker ends: no work is sent to it until it registers again. A steward's word stays."""
    Node.objects.filter(pk=node.pk, state=NodeState.ACTIVE).update(state=NodeState.OFFLINE)


def mark_silent(now: datetime) -> int:
    """Mark active nodes offline that were not heard of for 30 s before `now`; how many.

    Draining and maintenance are a steward's word and outlast silence: such nodes take no work anyhow.
    """
    silent = Q(last_seen_at__lt=now - SILENT_AFTER) | Q(last_seen_at=None, created_at__lt=now - SILENT_AFTER)
    return Node.objects.filter(silent, state=NodeState.ACTIVE).update(state=NodeState.OFFLINE)


@transaction.atomic
def set_state(node: Node, state: NodeState, actor: Member) -> None:
    """Take a node in or out of service. UserError `invalid` for `offline`, which silence alone makes."""
    if state not in SETTABLE:
        sentence = _("A node is offline when it is not heard of. Set it to active, draining or maintenance.")
        raise UserError("invalid", sentence, errors=[FieldError("state", sentence)])
    if node.state == state:
        return
    audit(actor=actor, action="node.state", subject=node.name, detail={"old": node.state, "new": str(state)})
    node.state = state
    node.save(update_fields=["state"])
    live.ring(SCHEDULER_BELL)


@transaction.atomic
def correct(accelerator: Accelerator, correction: Correction, actor: Member) -> None:
    """Apply a steward's correction. UserError `not_there` when enabling what the node does not find."""
    if correction.enabled and accelerator.missing_since is not None:
        sentence = _(
            "The node did not find %(what)s when it last started. Plug it in and restart the node's worker."
        )
        raise UserError("not_there", sentence % {"what": accelerator}, status=409)
    changes = {name: value for name, value in vars(correction).items() if value is not None}
    if not changes:
        return
    audit(actor=actor, action="accelerator.correct", subject=str(accelerator), detail=changes)
    if "enabled" in changes:
        changes["missing_since"] = None  # switched off by hand now: it stays off when it comes back
    for field, value in changes.items():
        setattr(accelerator, field, value)
    accelerator.save(update_fields=list(changes))
    live.ring(SCHEDULER_BELL)
