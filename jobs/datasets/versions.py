"""How a dataset gets a new version: the bytes are in the store already, the check comes after."""

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from jobs.datasets import tasks
from jobs.datasets.formats.names import clean
from jobs.datasets.models import Dataset, Version
from portal.core.models import Blob
from portal.kit.errors import FieldError, UserError
from portal.members.models import Member
from portal.members.services import audit_of_another

GONE = 404
FILENAME_CHARACTERS = 200
COLUMN_CHARACTERS = 200


def display_name(raw: str) -> str:
    """A file name as it may be shown: one line, no folders, no control characters. Never used as a path."""
    return clean(raw.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1], FILENAME_CHARACTERS) or "upload"


def label_column_for(asked: str, default: str = "") -> str:
    """The label column to use: what was asked, else `default`, else empty: a table's last column, and for
    pictures the labels file's own. UserError when it can't be a column's name.
    """
    column = asked.strip() or default
    if len(column) > COLUMN_CHARACTERS or "\0" in column:
        detail = _("A column's name has at most %(most)d characters.") % {"most": COLUMN_CHARACTERS}
        raise UserError("invalid", detail, errors=[FieldError("label_column", detail)])
    return column


def add_version(
    *, dataset: Dataset, blob: Blob, filename: str, label_column: str, actor: Member | None = None
) -> Version:
    """Record what `actor` (None: its owner) sent as the dataset's next version and have it checked. Call within a
    transaction.

    UserError `not_found` when the dataset was deleted meanwhile.
    """
    locked = Dataset.objects.select_for_update().filter(pk=dataset.pk, deleted_at=None).first()
    if locked is None:
        raise UserError("not_found", _("This dataset was deleted."), status=GONE)
    last = locked.versions.aggregate(last=Max("number"))["last"] or 0
    version = Version.objects.create(
        dataset=locked,
        number=last + 1,
        upload=blob,
        filename=display_name(filename),
        label_column=label_column_for(label_column, locked.label_column),
    )
    audit_of_another(
        actor or locked.owner, locked.owner, "dataset.version_added", locked, {"version": version.number}
    )
    transaction.on_commit(lambda: tasks.wake(version.pk))
    return version


def with_label_column(*, version: Version, label_column: str, actor: Member | None = None) -> Version:
    """A new version of the same file, with another column as its label."""
    column = label_column_for(label_column)
    with transaction.atomic():
        return add_version(
            dataset=version.dataset,
            blob=version.upload,
            filename=version.filename,
            label_column=column,
            actor=actor,
        )
