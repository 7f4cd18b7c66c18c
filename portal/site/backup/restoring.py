"""Putting a backup back into an empty home, and making what was under way then go on."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from jobs.datasets.models import Version
from jobs.queue import lifecycle
from jobs.queue.models import Attempt
from jobs.queue.reasons import EndReason
from portal.core import storage
from portal.core.models import Lease
from portal.core.stores.trouble import WAIT_S, StoreAwayError
from portal.kit.errors import UserError
from portal.site.backup import reading, rows
from portal.site.backup.contents import Head
from portal.site.backup.reading import Backup

FOLDER = "restoring"
OWN_SECRET = "django-secret-key"  # noqa: S105 - a file's name: made whenever the code starts
Say = Callable[[str], None]


def restore(source: IO[bytes], *, beside: Path | None = None, say: Say = lambda _line: None) -> Backup:
    """Read the backup through, then put everything in its place. UserError when the home or its bucket is not empty,
    the backup is damaged or newer than this code; nothing was changed then.

    Should it end half-way after that, the home says so at every start (`check_finished`).
    """
    refuse_unless_empty()
    executor = MigrationExecutor(connection)
    with _laid_out() as folder:
        backup = reading.read(source, folder, accept=lambda head: _refuse_newer(head, executor))
        _refuse_if_beside(backup, beside)
        for path in _blobs(folder, backup, beside):
            _check(path)
        say(f"The backup is whole: {backup.manifest.blobs} blobs, made {backup.head.made_at}.")
        _put_back(folder, backup.head, executor, _blobs(folder, backup, beside), say)
    return backup


def refuse_unless_empty() -> None:
    """UserError with what is here already."""
    check_finished()
    here = []
    if connection.introspection.table_names():
        here.append("its database has tables")
    if any(path.is_file() for path in storage.blobs_root().rglob("*")):
        here.append("its store has files")
    secrets = Path(settings.HOME) / "secrets"
    if secrets.is_dir() and any(path.name != OWN_SECRET for path in secrets.iterdir()):
        here.append("it has secrets")
    if here:
        detail = f"The home {settings.HOME} is in use: {', '.join(here)}. Restore into an empty one (GRISTMILL_HOME)"
        raise UserError("not_empty", f"{detail} with an empty database.")
    _refuse_bucket_in_use()


def _refuse_bucket_in_use() -> None:
    """UserError when the bucket holds blobs (they are another portal's, or what is left of this one), or would take
    none; StoreAwayError when it can't be asked.
    """
    far = storage.bucket()
    if far is None:
        return
    try:
        far.try_out()
    except ImproperlyConfigured as error:
        raise UserError("no_bucket", str(error)) from error
    if any(far.listed()):
        where = f"The bucket {far.bucket_name!r}" + (f" below {far.location!r}" if far.location else "")
        detail = f"{where} holds blobs already, of another portal or of an earlier one."
        other = "Restore into an empty bucket (GRISTMILL_S3_BUCKET), or below another GRISTMILL_S3_PREFIX."
        raise UserError("not_empty", f"{detail} {other}")


def check_finished() -> None:
    """UserError when a restore ended half-way in this home."""
    if (Path(settings.HOME) / FOLDER / "begun").exists():
        whose = "its database" if storage.bucket() is None else "its database and its bucket"
        detail = f"A restore ended half-way in {settings.HOME}. Empty it, and {whose}, and restore again."
        raise UserError("half_restored", detail)


@contextmanager
def _laid_out() -> Iterator[Path]:
    """The folder where the backup waits until all of it was found right. It goes unless the restore had begun."""
    folder = Path(settings.HOME) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    except BaseException:
        if not (folder / "begun").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder)


def _refuse_newer(head: Head, executor: MigrationExecutor) -> None:
    known = executor.loader.graph.nodes
    if unknown := [f"{app}.{name}" for app, name in head.migrations if (app, name) not in known]:
        detail = (
            f"This backup was made by a newer Gristmill ({head.code}): this code does not know {unknown[0]}."
        )
        raise UserError("newer_backup", f"{detail} Update the code, then restore it.")


def _refuse_if_beside(backup: Backup, beside: Path | None) -> None:
    if backup.manifest.beside and beside is None:
        detail = "This backup's blobs lie in a folder of their own: name it with --blobs-from."
        raise UserError("blobs_beside", detail)


def _blobs(folder: Path, backup: Backup, beside: Path | None) -> Iterator[Path]:
    """Where every blob that the backup's database refers to lies now."""
    lost = set(backup.manifest.damaged)
    root = beside if beside is not None and backup.manifest.beside else folder / "blobs"
    for sha256 in reading.blobs_of(folder):
        if sha256 not in lost:
            yield root / sha256[:2] / sha256


def _check(path: Path) -> None:
    """UserError when the blob is missing, or is not what its name says."""
    if not path.is_file() or storage.hash_file(path)[0] != path.name:
        detail = f"The blob {path.name} is missing or damaged. Put it at {path}, or take another backup."
        raise UserError("damaged_backup", detail)


def _put_back(folder: Path, head: Head, executor: MigrationExecutor, blobs: Iterator[Path], say: Say) -> None:
    (folder / "begun").touch()
    executor.migrate(list(head.migrations))
    _fill(folder, head, executor)
    call_command("migrate", verbosity=0, interactive=False)
    for path in blobs:
        _store(path, keep=not path.is_relative_to(folder), say=say)
    _keep_secrets(folder)
    _take_up_again()


def _store(path: Path, *, keep: bool, say: Say) -> None:
    """Into the store. While that is away we wait: a restore that ends half-way has to begin anew."""
    while True:
        try:
            storage.copy_in(path) if keep else storage.adopt(path)
        except StoreAwayError:
            say("The file store can't be reached now. Waiting for it.")
            time.sleep(WAIT_S)
        else:
            return


def _fill(folder: Path, head: Head, executor: MigrationExecutor) -> None:
    """The tables, as they were when the backup was made, into a database of just those migrations."""
    models = rows.tables(executor.loader.project_state(list(head.migrations)).apps)
    known = {model._meta.db_table: model for model in models}  # noqa: SLF001 - Django's documented introspection
    files = {path.name.removesuffix(".jsonl.gz"): path for path in (folder / "database").iterdir()}
    with transaction.atomic():
        rows.empty(models)
        for table in sorted(files.keys() & known.keys()):
            rows.load(known[table], files[table])
        rows.reset_sequences(models)


def _keep_secrets(folder: Path) -> None:
    secrets = Path(settings.HOME) / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for path in sorted((folder / "secrets").glob("*")):
        path.chmod(0o600)
        os.replace(path, secrets / path.name)  # noqa: PTH105 - both on one file system


def _take_up_again() -> None:
    """Nobody holds a lease here. What ran is as if its nodes were lost: it goes on from its last checkpoint.

    The loss is not the jobs' doing and no node's, so it does not count towards how often that may happen to one.
    """
    for leased in (Lease, Version):
        leased.objects.update(holder="", lease_expires_at=None)
    for attempt in Attempt.objects.filter(ended_at=None):
        Attempt.objects.filter(pk=attempt.pk).update(claimed_at=None)
        lifecycle.withdraw(attempt, EndReason.NODE_LOST)
