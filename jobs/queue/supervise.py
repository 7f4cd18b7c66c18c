"""Running one attempt: prepare its folder, start the engine in the sandbox, relay what it says, end it once.

Two threads an attempt: this one reads the engine's events; `Pulse` renews the lease and obeys what was asked. Whoever
finds the lease lost kills the child and writes nothing more.
"""

import errno
import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, transaction
from django.utils.translation import gettext as _

from jobs.queue import lifecycle, tasks
from jobs.queue.kinds import KINDS, Assignment, JobKind, Result
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Request
from jobs.queue.reasons import EndReason
from jobs.queue.record import Recorder
from jobs.runner.limits import MIB, Exit, Limits
from jobs.runner.running import Running
from jobs.runner.warm import WarmParent
from portal.core import live, storage
from portal.core.leases import StaleLease
from portal.core.models import Blob
from portal.kit.errors import RetryableError, UserError
from portal.kit.ids import new_id

log = logging.getLogger(__name__)

RENEW_S = 5.0
LOOK_S = 1.0
LISTEN_S = 0.1
OBEY_S = 20.0  # between asking the engine to end and ending it


def attempts_root() -> Path:
    return Path(settings.HOME) / "node" / "attempts"


def cache_root() -> Path:
    return Path(settings.HOME) / "node" / "cache"


class Pulse(threading.Thread):
    """Keeps the lease of an attempt, and passes on what its owner or the platform asks.

    `lost` is set when the lease is gone: told by the database, or by this machine's own monotonic clock when the
    database can't be reached for as long as a lease lasts.
    """

    def __init__(self, held: Held, running: Running, draining: threading.Event) -> None:
        super().__init__(name=f"pulse-{held.attempt_id}", daemon=True)
        self.held = held
        self.running = running
        self.draining = draining
        self.request = ""
        self.lost = threading.Event()
        self.over = threading.Event()
        self.killed_for: EndReason | None = None
        self._renewed_at = time.monotonic()
        self._asked_at: float | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set() and not self.lost.is_set():
                self._beat()
                self._wait()
        finally:
            close_old_connections()

    def _wait(self) -> None:
        try:
            live.wait_for(tasks.control_bell(self.held.job_id), timeout_s=LOOK_S)
        except (live.RedisError, OSError):
            self.over.wait(LOOK_S)

    def _beat(self) -> None:
        try:
            if time.monotonic() - self._renewed_at >= RENEW_S:
                asked = lifecycle.renew(self.held)
                self._renewed_at = time.monotonic()
            else:
                asked = lifecycle.requested(self.held)
        except (StaleLease, Job.DoesNotExist):
            self._give_up()
            return
        except DatabaseError:
            log.warning("attempt %s: the database can't be reached", self.held.attempt_id)
            if time.monotonic() - self._renewed_at >= lifecycle.LEASE_S:
                self._give_up()
            return
        self._obey(asked or (Request.DRAIN if self.draining.is_set() else ""))

    def _give_up(self) -> None:
        self.lost.set()
        self.running.kill()

    def _obey(self, asked: str) -> None:
        if asked and asked != self.request:
            self.request, self._asked_at = asked, time.monotonic()
            self.running.send("stop" if asked == Request.STOP else "checkpoint")
        elif self._asked_at and self.request != Request.STOP and time.monotonic() - self._asked_at > OBEY_S:
            self.running.kill()

    def end_for(self, reason: EndReason) -> None:
        """Kill the engine, and remember why."""
        self.killed_for = reason
        self.running.kill()


def _ended(running: Running) -> Exit | None:
    try:
        return running.wait(timeout=0)
    except TimeoutError:
        return None


class Supervisor:
    """One attempt from claim to end."""

    def __init__(self, held: Held, warm: WarmParent, draining: threading.Event) -> None:
        self.held = held
        self.warm = warm
        self.draining = draining
        self.job = Job.objects.select_related("owner", "version__upload", "version__dataset", "checkpoint").get(
            pk=held.job_id
        )
        self.kind: JobKind = KINDS[self.job.kind]
        self.folder = attempts_root() / held.attempt_id
        self.out = self.folder / "out"

    def run(self) -> None:
        """Run the attempt and end it, whatever happens. Never raises but for what ends the process."""
        try:
            self._run()
        except StaleLease:
            log.warning("attempt %s lost its lease: its work is dropped", self.held.attempt_id)
        except UserError as error:
            self._end(EndReason.BAD_DATA, error.detail)
        except RetryableError as error:
            self._end(EndReason.PLATFORM_ERROR, str(error))
        except OSError as error:
            self._unexpected(error, full=error.errno == errno.ENOSPC)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end in words
            self._unexpected(error, full=False)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _unexpected(self, error: Exception, *, full: bool) -> None:
        reference = new_id()
        log.error("attempt %s: unexpected error %s", self.held.attempt_id, reference, exc_info=error)
        reason = EndReason.DISK_FULL if full else EndReason.PLATFORM_ERROR
        self._end(reason, "" if full else f"{reason.label} ({reference})")

    def _end(self, reason: EndReason, message: str = "", exit_: Exit | None = None) -> None:
        try:
            peak = exit_.peak_memory_bytes if exit_ else None
            lifecycle.end(self.held, reason, message=message, peak_memory_bytes=peak)
        except StaleLease:
            log.warning("attempt %s lost its lease before it could be ended", self.held.attempt_id)

    def _run(self) -> None:
        assignment = self.kind.assign(self.job)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.out.mkdir(parents=True, mode=0o700)
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        running = self.warm.run(
            assignment.task | {"threads": self._threads()},
            job_dir=self.folder,
            cache=self._cache(assignment.cache_key),
            read_only=self._inputs(assignment),
            limits=self._limits(),
            on_event=events.put,
        )
        pulse = Pulse(self.held, running, self.draining)
        pulse.start()
        try:
            recorder = Recorder(self.held, running.host_path)
            exit_ = self._follow(running, events, recorder, pulse)
            self._conclude(recorder, pulse, exit_)
        finally:
            running.kill()
            pulse.over.set()

    def _inputs(self, assignment: Assignment) -> dict[Path, str]:
        """The stored files that the job gets to see, and under which names."""
        return {storage.path_of(blob.sha256): f"/job/in/{name}" for name, blob in assignment.inputs.items()}

    def _threads(self) -> int:
        resources = self.job.spec.get("resources") or {}
        return int(resources.get("threads") or len(os.sched_getaffinity(0)))

    def _cache(self, key: str) -> Path:
        folder = cache_root() / (key or self.held.attempt_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.utime(folder)
        return folder

    def _limits(self) -> Limits:
        resources = self.job.spec.get("resources") or {}
        memory, minutes = resources.get("memory_mb"), resources.get("max_minutes")
        return Limits(
            seconds=minutes * 60.0 if minutes else None,
            memory_bytes=(memory * MIB) if memory else settings.JOB_MEMORY_MB * MIB,
            disk_bytes=settings.JOB_DISK_MB * MIB,
        )

    def _follow(
        self, running: Running, events: "queue.SimpleQueue[dict[str, Any]]", recorder: Recorder, pulse: Pulse
    ) -> Exit:
        """Relay events until the engine is gone. Raises StaleLease when the lease is."""
        exit_: Exit | None = None
        while True:
            try:
                recorder.take(events.get(timeout=LISTEN_S))
            except queue.Empty:
                if exit_ is not None:
                    break
                exit_ = _ended(running)
            recorder.flush(force=False)
            if time.monotonic() - recorder.moved_at > settings.HUNG_AFTER_S:
                pulse.end_for(EndReason.HUNG)
        if pulse.lost.is_set():
            raise StaleLease
        if recorder.done is None and exit_.tail:
            recorder.log(exit_.tail)
        recorder.flush()
        return exit_

    def _conclude(self, recorder: Recorder, pulse: Pulse, exit_: Exit) -> None:
        reason, message = self._why(recorder, pulse, exit_)
        if reason != EndReason.DONE or recorder.done is None:
            self._end(reason, message, exit_)
            return
        result = Result(self.out, recorder.artefacts, recorder.done.summary)
        self._succeed(self.kind.collect(self.job, result), result.summary, exit_)

    def _succeed(self, blobs: Mapping[str, Blob], summary: Mapping[str, object], exit_: Exit) -> None:
        with transaction.atomic():
            job = lifecycle.end(self.held, EndReason.DONE, peak_memory_bytes=exit_.peak_memory_bytes)
            self.kind.finish(job, blobs, summary)

    def _why(self, recorder: Recorder, pulse: Pulse, exit_: Exit) -> tuple[EndReason, str]:
        """The reason this attempt ended, and the engine's own sentence where it has one."""
        done = recorder.done
        if done is not None and done.reason not in {"interrupted", "crashed"}:
            known = {str(reason) for reason in EndReason}
            return (EndReason(done.reason), done.message) if done.reason in known else (EndReason.CRASHED, "")
        if pulse.killed_for is not None:
            return pulse.killed_for, ""
        for over, reason in (
            (exit_.over_memory, EndReason.OVER_MEMORY_LIMIT),
            (exit_.timed_out, EndReason.OVER_TIME_LIMIT),
            (exit_.over_disk, EndReason.DISK_FULL),
            (exit_.lost, EndReason.NODE_LOST),
        ):
            if over:
                return reason, ""
        asked = {
            Request.CANCEL: EndReason.CANCELLED,
            Request.DRAIN: EndReason.DRAINED,
            Request.PREEMPT: EndReason.PREEMPTED,
            Request.STOP: EndReason.CANCELLED,
        }
        if pulse.request and (done is not None or exit_.killed):
            return asked[Request(pulse.request)], ""
        return EndReason.CRASHED, self._crash(done.message if done else "", exit_)

    def _crash(self, said: str, exit_: Exit) -> str:
        how = _("signal %(n)s") % {"n": exit_.signal} if exit_.signal else _("code %(n)s") % {"n": exit_.code}
        return said or _("The training program stopped unexpectedly (%(how)s). Its log may say why.") % {"how": how}
