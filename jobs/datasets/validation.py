"""Checking an upload: in a sandbox, under a lease, its findings believed only as far as they fit.

Platform trouble (a full disk, a killed worker) is tried again, three times in all; then the version is rejected in
words that say it was not the member's fault. A checker that crashes twice on the same bytes was crashed by them: then
the words say how to save the file anew.
"""

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from jobs.datasets import findings
from jobs.datasets.findings import Progress, Ready, Rejected, UnbelievableError
from jobs.datasets.models import Task, Version, VersionFile, VersionState
from jobs.runner import leftovers, once
from jobs.runner.limits import GIB, MIB, Exit, Limits
from portal.core import leases, storage
from portal.core.leases import StaleLease
from portal.core.models import Blob
from portal.core.stores.trouble import DamagedError, StoreAwayError
from portal.kit import identity
from portal.kit.amounts import in_bytes
from portal.kit.ids import new_id

log = logging.getLogger(__name__)

MAX_TRIES = 3
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
"""Signals that a program brings upon itself; one that is killed from outside gets others."""
CRASHES_OF_A_FILE = 2
"""So many are the file's doing: each try has a fresh sandbox."""
LEASE_S = 45.0
BEAT_S = 1.0
RENEW_S = 10.0
DISK_BYTES = 4 * GIB
UPLOAD, OUT = "/check/upload", "/check/out"


def validate(version_id: str) -> None:
    """Check the version's upload unless it was, or another holds its lease."""
    rows = Version.objects.filter(pk=version_id, state=VersionState.VALIDATING)
    epoch = leases.take(rows, holder=identity.me(), ttl_s=LEASE_S)
    if epoch is None:
        return
    held = _Held(rows, epoch)
    try:
        held.write(tries=F("tries") + 1, progress=0.0)
        version = rows.select_related("dataset", "upload").get()
        with _folder(version.pk) as folder:
            _apply(held, version, _check(held, version, folder))
    except (StaleLease, Version.DoesNotExist):
        log.info("version %s was deleted, or is someone else's now", version_id)
    except (OperationalError, InterfaceError) as error:
        log.warning("version %s: the database went away while it was checked: %s", version_id, error)
        _leave(held)


def _leave(held: "_Held") -> None:
    """Let the version be checked again as soon as the database answers; this try does not count."""
    until = time.monotonic() + LEASE_S
    while time.monotonic() < until:
        close_old_connections()
        with contextlib.suppress(OperationalError, InterfaceError):
            held.rows.filter(epoch=held.epoch).update(tries=F("tries") - 1, lease_expires_at=None, holder="")
            return
        time.sleep(BEAT_S)


@dataclass(frozen=True)
class _Held:
    """The version's row, as long as its lease is ours."""

    rows: QuerySet[Version]
    epoch: int

    def write(self, **changes: Any) -> None:
        """Raises StaleLease when the lease was lost or the dataset deleted."""
        leases.renew(self.rows, epoch=self.epoch, ttl_s=LEASE_S, **changes)


@dataclass(frozen=True)
class _Checked:
    """The outcome of one try. `trouble` (for the log) means that the platform failed; `crashed`: so did the checker;
    `away`: the file store can't be reached, which is no try at all.
    """

    ready: Ready | None = None
    files: dict[str, Blob] = field(default_factory=dict)
    code: str = ""
    reason: str = ""
    trouble: str = ""
    crashed: bool = False
    away: bool = False


@contextlib.contextmanager
def _folder(version_id: str) -> Iterator[Path]:
    """An empty folder for what the check leaves; those of tries that were killed are removed: this version's, and
    those of versions that are checked no more.
    """
    root = Path(settings.HOME) / "work" / "checks"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    others = Version.objects.filter(state=VersionState.VALIDATING).exclude(pk=version_id)
    kept = set(others.values_list("pk", flat=True))
    for old in list(root.iterdir()):
        if old.name.partition(".")[0] not in kept:
            leftovers.remove(old)
    folder = root / f"{version_id}.{new_id()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        leftovers.remove(folder)


def _check(held: _Held, version: Version, folder: Path) -> _Checked:
    if version.tries > MAX_TRIES:  # each of them killed its worker
        return _Checked(trouble="the worker was lost each time")
    try:
        return _run(held, version, folder)
    except (UnbelievableError, OSError) as error:
        return _Checked(trouble=f"{type(error).__name__}: {error}")
    except DamagedError as error:
        return _Checked(code=error.code, reason=error.detail)
    except StoreAwayError as error:
        return _Checked(trouble=str(error), away=True)


def _run(held: _Held, version: Version, folder: Path) -> _Checked:
    """Run the checker in the sandbox, and store what it found; the lease is kept for as long as that takes."""
    with _Beat(held) as beat, storage.local(version.upload) as upload:
        end = once.run(
            _command(version),
            read_only={upload: UPLOAD},
            writable={folder: OUT},
            limits=_limits(),
            on_line=beat.hear,
        )
        return _judge(end, beat.result, folder)


def _command(version: Version) -> list[str]:
    """A hostile name can't become an option: it stands behind its own `=`."""
    command = [sys.executable, "-m", "jobs.datasets.formats.check", "--file", UPLOAD, "--out", OUT]
    command += [f"--task={version.dataset.task}", f"--filename={version.filename}"]
    return [*command, f"--label-column={version.label_column}"] if version.label_column else command


def _limits() -> Limits:
    return Limits(
        seconds=settings.VALIDATION_MINUTES * 60.0,
        memory_bytes=settings.VALIDATION_MEMORY_MB * MIB,
        disk_bytes=DISK_BYTES,
        output_bytes=64 * MIB,
        line_bytes=8 * MIB,
    )


class _Beat(threading.Thread):
    """Renews the lease and writes the progress while the checker runs, from a thread of its own: the checker
    may be silent for long, and the file store too. When the lease is lost, the next line heard stops the checker, and
    the database is not written.
    """

    def __init__(self, held: _Held) -> None:
        super().__init__(name="check-beat", daemon=True)
        self.result: Ready | Rejected | None = None
        self._held = held
        self._progress = 0.0
        self._over = threading.Event()
        self._stale = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        if self._stale.is_set():
            raise StaleLease

    def hear(self, text: str) -> None:
        """A line of the checker's."""
        if self._stale.is_set():
            raise StaleLease
        if self.result is not None:
            raise UnbelievableError("the checker spoke on after its result")
        said = findings.line(text)
        if isinstance(said, Progress):
            self._progress = max(self._progress, said.progress)
        else:
            self.result = said

    def run(self) -> None:
        written, since = 0.0, 0.0
        while not self._over.wait(BEAT_S):
            since += BEAT_S
            if self._progress > written or since >= RENEW_S:
                written, since = self._progress, 0.0
                try:
                    self._held.write(progress=written)
                except StaleLease:
                    self._stale.set()
                    break
                except DatabaseError as error:  # busy or away: the lease lasts for some beats more
                    log.warning("the check's progress could not be written: %s", error)
        connection.close()


def _judge(end: Exit, result: Ready | Rejected | None, folder: Path) -> _Checked:
    if end.timed_out or end.over_memory or end.over_disk:
        return _over_limit(end)
    if not end.ok or result is None:
        how = f"exit {end.code}, signal {end.signal}, {end.tail[-2000:]}"
        return _Checked(trouble=f"the checker failed: {how}", crashed=end.signal in CRASHES)
    if isinstance(result, Rejected):
        return _Checked(code=result.code, reason=result.reason)
    files = findings.left_files(result, folder)
    return _Checked(ready=result, files={name: storage.copy_in(path) for name, path in files.items()})


def _over_limit(end: Exit) -> _Checked:
    if end.timed_out:
        reason = _("Checking this file took longer than %(minutes)d minutes. Split it into smaller datasets.")
        return _Checked(code="too_slow", reason=reason % {"minutes": settings.VALIDATION_MINUTES})
    if end.over_memory:
        reason = _("Checking this file needed more than %(mb)d MB of memory. Make it smaller, or split it.")
        return _Checked(code="too_much_memory", reason=reason % {"mb": settings.VALIDATION_MEMORY_MB})
    reason = _("What checking this file wrote was more than %(most)s. Make it smaller, or split it.")
    return _Checked(code="too_much_disk", reason=reason % {"most": in_bytes(DISK_BYTES)})


def _apply(held: _Held, version: Version, checked: _Checked) -> None:
    if checked.trouble:
        _put_off(held, version, checked)
    elif checked.ready is not None:
        _accept(held, version, checked.ready, checked.files)
    else:
        _end(held, VersionState.REJECTED, code=checked.code, reason=checked.reason)


def _accept(held: _Held, version: Version, ready: Ready, files: dict[str, Blob]) -> None:
    with transaction.atomic():
        VersionFile.objects.bulk_create(
            VersionFile(version=version, name=name, blob=blob) for name, blob in files.items()
        )
        _end(held, VersionState.READY, report=findings.stored_report(ready.report), progress=1.0)


def _put_off(held: _Held, version: Version, checked: _Checked) -> None:
    """Try again later, if it was not the last try."""
    if checked.away:
        log.warning("version %s waits for the file store", version.pk)
        held.write(tries=version.tries - 1)
        leases.give_back(held.rows, epoch=held.epoch)
        return
    log.error("version %s could not be checked, try %d: %s", version.pk, version.tries, checked.trouble)
    if checked.crashed and version.tries >= CRASHES_OF_A_FILE:
        _end(held, VersionState.REJECTED, code="unreadable_file", reason=_save_anew(version))
    elif version.tries < MAX_TRIES:
        leases.give_back(held.rows, epoch=held.epoch)
    else:
        reason = _(
            "The portal could not check this file, which is not your fault, and tried %(tries)d times. "
            "Upload it again later, and tell a steward if it happens again."
        )
        _end(held, VersionState.REJECTED, code="platform_error", reason=reason % {"tries": MAX_TRIES})


def _save_anew(version: Version) -> str:
    """What to do about a file that crashes the checker."""
    if version.dataset.task == Task.IMAGE_CLASSIFICATION:
        return _(
            "The checker broke down on this file each time: a picture in it is damaged in a way that breaks even "
            "programs made for it. Save the pictures anew as JPEG or PNG, make a new zip of them, and upload that."
        )
    return _(
        "The checker broke down on this file each time: it is damaged in a way that breaks even programs made for it. "
        "Open it where it comes from, save it as CSV (UTF-8), and upload that."
    )


def _end(held: _Held, state: VersionState, **changes: Any) -> None:
    """The check's last write."""
    held.write(state=state, **changes)


def due() -> list[str]:
    """Ids of versions that wait for a check, oldest first."""
    rows = Version.objects.filter(state=VersionState.VALIDATING)
    leases.give_back_for_the_dead(rows)
    return list(rows.filter(leases.free()).order_by("pk").values_list("pk", flat=True))
