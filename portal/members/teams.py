"""Teams as stewards make them. Who is in one sees its datasets, and has a part of its share of the machine."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from portal.core import live
from portal.members.models import Member, Team
from portal.members.services import audit


@transaction.atomic
def set_team(*, team: Team, members: Iterable[Member], actor: Member) -> None:
    """Keep a team, new or known, with its name as it is given (checked by its form) and these members."""
    known = Team.objects.select_for_update().filter(pk=team.pk).first()
    old = _facts(known) if known else {"name": "", "members": []}
    team.save()
    team.members.set(members)
    new = _facts(team)
    changed = {name: {"old": old[name], "new": new[name]} for name in new if old[name] != new[name]}
    if changed:
        audit(actor, "team.changed" if known else "team.made", team, changed)
        live.ring("scheduler")  # the team's share is split among its members


@transaction.atomic
def delete_team(*, team: Team, actor: Member) -> None:
    """Delete a team, and its share with it. Its members and what they made stay."""
    audit(actor, "team.deleted", team, {"members": {"old": _facts(team)["members"], "new": []}})
    team.delete()
    live.ring("scheduler")


def _facts(team: Team) -> dict[str, Any]:
    return {
        "name": team.name,
        "members": sorted(team.members.order_by().values_list("username", flat=True)),
    }
