"""Uploads under way (tus): begun, written to by one at a time, made a version, given up or expired."""

import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.datasets import bodies, parts, queries
from jobs.datasets.models import Dataset, Upload
from jobs.datasets.parts import Part, PartBusyError
from jobs.datasets.versions import add_version, display_name, label_column_for
from portal.core import storage
from portal.core.stores.trouble import StoreAwayError
from portal.kit.errors import UserError
from portal.ledger.services import check_storage
from portal.members.models import Member
from portal.members.services import audit_of_another

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(hours=24)
METADATA_CHARACTERS = 4096
STRAY_SECONDS = 24 * 3600
GONE, LOCKED, TOO_LARGE, CONFLICT = 410, 423, 413, 409


def refuse_too_large(size: int) -> None:
    """UserError when a file of so many bytes is more than this portal takes at all."""
    if size > settings.UPLOAD_MAX_BYTES:
        detail = _("The file has %(size)d bytes; at most %(most)d are taken here. Upload a part of it.")
        figures = {"size": size, "most": settings.UPLOAD_MAX_BYTES}
        raise UserError("too_large", detail % figures, status=TOO_LARGE)


@contextlib.contextmanager
def room_for(dataset: Dataset, size: int) -> Iterator[None]:
    """A transaction in which `size` more bytes are known to fit in the quota of the dataset's owner; else
    UserError.

    The owner's row is locked, so that two uploads at once can't both take the last room.
    """
    refuse_too_large(size)
    with transaction.atomic():
        owner = Member.objects.select_for_update().get(pk=dataset.owner_id)
        check_storage(owner, size)
        yield


def begin(
    *, member: Member, dataset_id: str, filename: str, label_column: str, length: int, metadata: str
) -> Upload:
    """An upload of `length` bytes, for which room is set aside; one of no bytes is finished at once.

    Http404, PermissionDenied or UserError when the member may not, or it would not fit.
    """
    dataset = queries.changeable_by(member, dataset_id)
    label_column_for(label_column)
    with room_for(dataset, length):
        upload = Upload.objects.create(
            owner=member,
            dataset=dataset,
            filename=display_name(filename),
            label_column=label_column.strip(),
            metadata=metadata,
            length=length,
            expires_at=timezone.now() + KEPT_FOR,
        )
    return settled(upload) if length == 0 else upload


def upload_for(member: Member, upload_id: str) -> Upload:
    """The member's upload (a steward's: anyone's), or Http404; UserError `expired` after too long."""
    uploads = Upload.objects.select_related("dataset", "version")
    upload = uploads.filter(pk=upload_id).first()
    if upload is None or not (member.is_staff or upload.owner_id == member.pk):
        raise Http404
    if upload.version_id is None and upload.expires_at < timezone.now():
        raise UserError(
            "expired", _("This upload waited too long and was given up. Begin it again."), status=GONE
        )
    return upload


def offset_of(upload: Upload) -> int:
    """How many bytes are here and count."""
    if upload.version_id is not None:
        return upload.length
    length = parts.length_of(upload.pk)
    return length if upload.unverified_from is None else min(length, upload.unverified_from)


def open_part(upload: Upload, *, offset: int, checked: bool) -> Part:
    """The upload's file, for the one writer who appends at `offset`. UserError when there is another writer,
    or when the upload stands elsewhere. `checked`: what is written does not count until `verified`.
    """
    part = _locked(upload)
    try:
        upload.refresh_from_db()
        _check_offset(upload, offset)
        part.cut(offset)
        _mark_written(upload, unverified_from=offset if checked else None)
        part.remember_as(upload.writes)
    except Upload.DoesNotExist:
        part.close()
        parts.delete(upload.pk)
        raise Http404 from None
    except BaseException:
        part.close()
        raise
    return part


def _check_offset(upload: Upload, offset: int) -> None:
    if upload.version_id is None and offset == offset_of(upload):
        return
    detail = _("The upload stands at byte %(at)d. Ask with HEAD and go on from there.")
    raise UserError("wrong_offset", detail % {"at": offset_of(upload)}, status=CONFLICT)


def _locked(upload: Upload) -> Part:
    try:
        return Part(upload.pk)
    except PartBusyError:
        detail = _("Someone else is sending to this upload now. Try again in a moment.")
        raise UserError("locked", detail, status=LOCKED) from None


def _mark_written(upload: Upload, *, unverified_from: int | None) -> None:
    """Count the writer in, and put the expiry off."""
    upload.expires_at = timezone.now() + KEPT_FOR
    upload.unverified_from = unverified_from
    found = Upload.objects.filter(pk=upload.pk).update(
        writes=F("writes") + 1, expires_at=upload.expires_at, unverified_from=unverified_from
    )
    if not found:
        raise Upload.DoesNotExist
    upload.writes += 1


def verified(upload: Upload, part: Part, *, right: bool) -> None:
    """The checksum of what was written was right, so it counts; or wrong, and it is thrown away."""
    if not right and upload.unverified_from is not None:
        part.cut(upload.unverified_from)
    Upload.objects.filter(pk=upload.pk).update(unverified_from=None)
    upload.unverified_from = None


def finish(upload: Upload, part: Part, *, actor: Member | None = None) -> None:
    """Make the complete upload its dataset's next version, which `actor` sent (None: who began it). If killed
    meanwhile, `settled` does it again.
    """
    sha256, link = part.sha256(), part.link()
    # The hash was taken while the bytes came in: `storage.adopt` would read them all again. Should the version not
    # come to be, the sweep frees the blob, which is why its row is not part of the transaction.
    blob = storage.settle(link, sha256, part.length)
    with transaction.atomic():
        upload.version = add_version(
            dataset=upload.dataset,
            blob=blob,
            filename=upload.filename,
            label_column=upload.label_column,
            actor=actor or upload.owner,
        )
        upload.save(update_fields=["version"])
    parts.delete(upload.pk)


def settled(upload: Upload) -> Upload:
    """The upload, finished now if all its bytes are here and nobody came to that (the server was killed just
    then).
    """
    if upload.version_id is None and offset_of(upload) == upload.length:
        with contextlib.suppress(PartBusyError), Part(upload.pk) as part:
            upload.refresh_from_db()
            if upload.version_id is None and offset_of(upload) == upload.length:
                finish(upload, part)
    return upload


def give_up(upload: Upload, *, actor: Member | None = None) -> None:
    """Forget the upload, by the word of `actor` (None: who began it), and free its bytes. What it became, if it was
    finished, stays. UserError while one writes.
    """
    with _locked(upload):
        with transaction.atomic():
            audit_of_another(actor or upload.owner, upload.owner, "upload.given_up", upload.dataset)
            Upload.objects.filter(pk=upload.pk).delete()
        parts.delete(upload.pk)


def sweep() -> int:
    """Finish what was complete, give up what expired, free files that no upload has; how many uploads were
    touched.
    """
    touched = 0
    for upload in Upload.objects.filter(version=None, expires_at__lt=timezone.now()):
        with contextlib.suppress(UserError):  # someone writes after all
            give_up(upload)
            touched += 1
    for upload in Upload.objects.filter(version=None).filter(Q(writes__gt=0) | Q(length=0)):
        try:
            touched += settled(upload).version_id is not None
        except (UserError, Upload.DoesNotExist):
            log.info("upload %s can't become a version any more", upload.pk)
        except StoreAwayError:
            log.warning("upload %s waits for the file store", upload.pk)
            break  # so do the others, and who sweeps has more to do than to ask for each
    Upload.objects.filter(version__isnull=False, expires_at__lt=timezone.now()).delete()
    _free_strays()
    return touched


def _free_strays() -> None:
    """Delete parts whose upload is over, and request bodies that a killed server left behind."""
    files = list(parts.folder().glob("*"))  # before the rows are read: a row is there before its file
    open_ones = set(Upload.objects.filter(version=None).values_list("pk", flat=True))
    for file in files:
        if file.suffix != parts.SUFFIX:
            _delete_if_left(file)
        elif file.stem not in open_ones:
            delete_stray(file.stem)


def _delete_if_left(file: Path) -> None:
    """A server that is gone left it, or it is so old that one must have (another machine's can't be asked)."""
    with contextlib.suppress(FileNotFoundError):
        is_old = file.stat().st_mtime < timezone.now().timestamp() - STRAY_SECONDS
        if is_old or bodies.is_left_behind(file):
            file.unlink()


def delete_stray(upload_id: str) -> None:
    """Free the bytes of an upload that is over, unless one still writes: then the sweep does it later."""
    with contextlib.suppress(PartBusyError), Part(upload_id):
        if not Upload.objects.filter(pk=upload_id, version=None).exists():
            parts.delete(upload_id)
