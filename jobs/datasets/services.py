"""What members do with datasets."""

from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.datasets import queries, registry, tasks, uploads, validation
from jobs.datasets.formats.names import clean
from jobs.datasets.models import Dataset, Task, Upload, Version, Visibility
from jobs.datasets.versions import add_version, label_column_for
from portal.core import storage
from portal.core.stores.trouble import StoreAwayError
from portal.core.telemetry import swept
from portal.kit.errors import FieldError, UserError
from portal.ledger.services import check_storage
from portal.members.models import Member, Team
from portal.members.services import audit_of_another

NAME_CHARACTERS = 120
DESCRIPTION_CHARACTERS = 4000
CONFLICT, UNAVAILABLE = 409, 503


def create_dataset(
    *,
    owner: Member,
    name: str,
    task: str,
    label_column: str = "",
    description: str = "",
    visibility: str = Visibility.PRIVATE,
    team: str = "",
) -> Dataset:
    """A new dataset without versions. `team`: a team's name or id. UserError with what is wrong with each
    field.
    """
    named, described = clean(name), description.strip().replace("\0", "")
    problems = [
        *_of_choice("task", task, Task.values),
        *_of_choice("visibility", visibility, Visibility.values),
        *_of_length("name", named, NAME_CHARACTERS, least=1),
        *_of_length("description", described, DESCRIPTION_CHARACTERS),
    ]
    shared_with, team_problems = _team_of(owner, visibility, team)
    if problems := [*problems, *team_problems]:
        raise UserError("invalid", " ".join(problem.detail for problem in problems), errors=problems)
    return Dataset.objects.create(
        owner=owner,
        name=named,
        task=task,
        label_column=label_column_for(label_column),
        description=described,
        visibility=visibility,
        team=shared_with,
    )


def _of_choice(field: str, value: str, known: list[str]) -> list[FieldError]:
    if value in known:
        return []
    return [FieldError(field, _("Choose one of: %(known)s.") % {"known": ", ".join(known)})]


def _of_length(field: str, value: str, most: int, *, least: int = 0) -> list[FieldError]:
    if least <= len(value) <= most:
        return []
    if not value:
        return [FieldError(field, _("Give it a name."))]
    return [FieldError(field, _("At most %(most)d characters.") % {"most": most})]


def _team_of(owner: Member, visibility: str, team: str) -> tuple[Team | None, list[FieldError]]:
    """The team that shares the dataset: one of the owner's, and only where the visibility is `team`."""
    if not team:
        missing = FieldError("team", _("Say which of your teams may use it."))
        return None, [missing] if visibility == Visibility.TEAM else []
    if visibility != Visibility.TEAM:
        return None, [FieldError("team", _("A team is named only with the visibility “team”."))]
    teams = Team.objects.all() if owner.is_staff else owner.teams.all()
    found = teams.filter(Q(name=team) | Q(pk=team)).first()
    return found, [] if found else [FieldError("team", _("You are in no team of that name."))]


def receive_file(
    *,
    dataset: Dataset,
    file: Path,
    size: int,
    filename: str,
    label_column: str = "",
    actor: Member | None = None,
) -> Version:
    """A new version from a file of `actor`'s (None: the dataset's owner) on the home's disk, which is taken away from
    there.
    """
    column = label_column_for(label_column)
    uploads.refuse_too_large(size)
    check_storage(dataset.owner, size)  # before the file is read
    try:
        blob = storage.adopt(file)
    except StoreAwayError as error:
        raise UserError("no_file_store", str(error), status=UNAVAILABLE) from error
    with uploads.room_for(dataset, size):
        return add_version(dataset=dataset, blob=blob, filename=filename, label_column=column, actor=actor)


def delete_dataset(*, dataset: Dataset, actor: Member) -> None:
    """Delete the dataset with all versions and uploads; the sweep frees the bytes. The row stays without
    them, so that past jobs can still name it. PermissionDenied for others than its owner; UserError `in_use`
    while jobs need it.
    """
    if not queries.may_change(actor, dataset):
        raise PermissionDenied(_("Only its owner may delete this dataset."))
    with transaction.atomic():
        locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if registry.in_use(locked):
            detail = _("Jobs that are not over yet use this dataset. Cancel them or wait, then delete it.")
            raise UserError("in_use", detail, status=CONFLICT)
        if Dataset.objects.filter(pk=locked.pk, deleted_at=None).update(deleted_at=timezone.now()):
            audit_of_another(actor, locked.owner, "dataset.deleted", locked)
        open_uploads = list(Upload.objects.filter(dataset=locked).values_list("pk", flat=True))
        Upload.objects.filter(dataset=locked).delete()
        locked.versions.all().delete()
    for upload in open_uploads:
        uploads.delete_stray(upload)


def sweep() -> int:
    """What messages and requests left undone: checks that wait, uploads that expired or were cut off at the
    end, bytes that nothing uses. Safe to call at any time from anywhere; how much was found.
    """
    waiting = validation.due()
    for version_id in waiting:
        tasks.wake(version_id)
    return len(waiting) + swept.told("uploads", uploads.sweep)()
