"""Running one attempt: prepare its folder, start the engine in the sandbox, relay what it says, end it once.

Two threads an attempt: this one reads the engine's events; its `Pulse` renews the lease and obeys what was asked.
Whoever finds the lease lost kills the child and writes nothing more.
"""

import contextlib
import errno
import logging
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from hardware.nodes.probe.energy import Energy, Together
from jobs.queue import lifecycle, nodefiles, shares
from jobs.queue.kinds import KINDS, Assignment, Result
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, Request
from jobs.queue.pulse import Pulse
from jobs.queue.reasons import EndReason
from jobs.queue.record import Recorder
from jobs.queue.shares import Share
from jobs.runner import leftovers
from jobs.runner.limits import Exit
from jobs.runner.running import Running
from jobs.runner.warm import START_SECONDS, WarmParent
from portal.core import storage
from portal.core.leases import StaleLease
from portal.core.models import Blob
from portal.core.stores.trouble import StoreAwayError
from portal.kit.errors import RetryableError, UserError
from portal.kit.ids import new_id

log = logging.getLogger(__name__)
T = TypeVar("T")

LISTEN_S = 0.1
TROUBLE_S = 5.0  # of an engine that fails to start; the node's heartbeat has told of it by then
AGAIN_S = 20.0  # for a warm parent that was ready to be so again
STORE_S = 2.0  # until the file store is asked again
GOING_S = 5.0  # for a killed child to be gone
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SAID = frozenset(  # what the engine may say of itself; the rest is for us to find
    {
        EndReason.DONE,
        EndReason.OUT_OF_MEMORY,
        EndReason.NAN_LOSS,
        EndReason.BAD_DATA,
        EndReason.DISK_FULL,
        EndReason.REFUSED,
    }
)
ASKED = {
    Request.CANCEL: EndReason.CANCELLED,
    Request.DRAIN: EndReason.DRAINED,
    Request.PREEMPT: EndReason.PREEMPTED,
    Request.STOP: EndReason.CANCELLED,
}


def _ended(running: Running) -> Exit | None:
    try:
        return running.wait(timeout=0)
    except TimeoutError:
        return None


class Supervisor:
    """One attempt from claim to end."""

    def __init__(
        self,
        held: Held,
        warm: WarmParent,
        is_draining: Callable[[], bool],
        *,
        meters: Together | None = None,
    ) -> None:
        self.held = held
        self.meters = meters or Together()
        self.energy: Energy | None = None  # what it took, once the engine is gone
        self.warm = warm
        self.pulse = Pulse(held, is_draining)
        self.folder = nodefiles.attempts_root() / held.attempt_id
        self.out = self.folder / "out"
        self.job: Job
        self.share: Share
        self._exit: Exit | None = None  # the engine's: the member pays for no waiting after it
        self._recorder: Recorder | None = None
        self._began_at = 0.0

    def run(self) -> None:
        """Run the attempt and end it, whatever happens. Never raises but for what ends the process."""
        self.pulse.start()
        try:
            self._run()
        except StaleLease:
            log.warning("attempt %s lost its lease: its work is dropped", self.held.attempt_id)
        except UserError as error:
            self._end(EndReason.BAD_DATA, error.detail)
        except StoreAwayError as error:
            asked = self.pulse.request  # what waited for the store was asked to end
            self._end(ASKED[Request(asked)]) if asked else self._end(EndReason.PLATFORM_ERROR, str(error))
        except RetryableError as error:
            self._end(EndReason.PLATFORM_ERROR, str(error))
        except OSError as error:
            self._unexpected(error, full=error.errno in DISK_FULL)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end in words
            self._unexpected(error, full=False)
        finally:
            self.pulse.over.set()
            leftovers.remove(self.folder)

    def _unexpected(self, error: Exception, *, full: bool) -> None:
        reference = new_id()
        log.error("attempt %s: unexpected error %s", self.held.attempt_id, reference, exc_info=error)
        reason = EndReason.DISK_FULL if full else EndReason.PLATFORM_ERROR
        leftovers.remove(self.folder)  # its room may be what the database needs
        self._end(reason, "" if full else f"{reason.label} ({reference})")

    def _end(self, reason: EndReason, message: str = "") -> None:
        gone = self._exit
        peak, seconds = (gone.peak_memory_bytes, gone.seconds) if gone else (None, None)
        try:
            self.pulse.patiently(
                lambda: lifecycle.end(
                    self.held,
                    reason,
                    message=message,
                    peak_memory_bytes=peak,
                    seconds=seconds,
                    energy=self.energy,
                    lost_s=self._lost_s(),
                )
            )
        except StaleLease:
            log.warning("attempt %s lost its lease before it could be ended", self.held.attempt_id)

    def _lost_s(self) -> float:
        """For how long the engine worked on what is not stored; nothing where it saved its state and left."""
        gone, recorder = self._exit, self._recorder
        if gone is None or recorder is None or recorder.left_saved:
            return 0.0
        if recorder.saved_at is None:
            return gone.seconds
        return max(0.0, self._began_at + gone.seconds - recorder.saved_at)

    def _load(self) -> Job:
        rows = Job.objects.select_related("owner", "version__upload", "version__dataset", "checkpoint")
        return rows.get(pk=self.held.job_id)

    def _run(self) -> None:
        self.job = self.pulse.patiently(self._load)
        assignment = self.pulse.patiently(lambda: KINDS[self.job.kind].assign(self.job))
        if (asked := self._wait_for_engine()) is not None:
            self._end(asked)
            return
        leftovers.remove(self.folder)
        self.out.mkdir(parents=True, mode=0o700)
        with self._cache(assignment.cache_key) as cache:
            self._attend(assignment, cache)

    def _wait_for_engine(self) -> EndReason | None:
        """Until the warm parent is ready, which after a start takes a while; or why to run no more."""
        well_at = time.monotonic()
        until = well_at + START_SECONDS
        while not self.warm.wait_ready(LISTEN_S) and time.monotonic() < until:
            self.pulse.check()
            if self.pulse.request not in {"", Request.STOP}:
                return ASKED[Request(self.pulse.request)]
            if not self.warm.trouble:
                well_at = time.monotonic()
            elif time.monotonic() - well_at > TROUBLE_S:
                return EndReason.DRAINED
            self.pulse.lost.wait(LISTEN_S)
        return None

    def _attend(self, assignment: Assignment, cache: Path) -> None:
        with self._inputs(assignment) as inputs:
            self._engage(assignment, cache, inputs)

    def _engage(self, assignment: Assignment, cache: Path, inputs: Mapping[Path, str]) -> None:
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.share = self.pulse.patiently(lambda: shares.share_of(self.job, self.held.attempt_id))
        with self._metered():
            running = self.warm.run(
                assignment.task | self.share.task(),
                job_dir=self.folder,
                cache=cache,
                read_only=inputs,
                limits=self.share.limits,
                gpus=self.share.gpus,
                devices=assignment.devices,
                on_event=events.put,
                backlog=events.qsize,
                timeout=AGAIN_S,
            )
            self._guide(running, events)

    @contextlib.contextmanager
    def _metered(self) -> Iterator[None]:
        """What the node takes meanwhile is told to the attempt, as its part of it."""
        self.meters.begin(self.held.attempt_id, self.share.accelerators)
        try:
            yield
        finally:
            self._read_meter()

    def _read_meter(self) -> None:
        """Once: when the engine is gone."""
        if self.energy is None:
            self.energy = self.meters.end(self.held.attempt_id)

    def _guide(self, running: Running, events: "queue.SimpleQueue[dict[str, Any]]") -> None:
        self._began_at = time.monotonic()
        self.pulse.attach(running)
        try:
            recorder = self.pulse.patiently(lambda: Recorder(self.held, running.host_path))
            self._recorder = recorder
            exit_ = self._follow(running, events, recorder)
            self._conclude(recorder, exit_)
        finally:
            running.kill()
            with contextlib.suppress(TimeoutError):
                running.wait(timeout=GOING_S)

    @contextlib.contextmanager
    def _inputs(self, assignment: Assignment) -> Iterator[Mapping[Path, str]]:
        """The stored files and the shelf that the job gets to see, and under which names. The files stay here until the
        end.
        """
        with contextlib.ExitStack() as held:
            shelf = assignment.shelf
            shown = {nodefiles.shelf(shelf): f"/job/in/{shelf}"} if shelf else {}
            yield shown | {
                self._stored(partial(self._hold, held, blob)): f"/job/in/{name}"
                for name, blob in assignment.inputs.items()
            }

    def _hold(self, held: contextlib.ExitStack, blob: Blob) -> Path:
        return held.enter_context(storage.local(blob))

    def _stored(self, use: Callable[[], T]) -> T:
        """`use` of the file store; while it is away, again and again, until the job is asked to end."""
        while True:
            try:
                return self.pulse.patiently(use)
            except StoreAwayError:
                self.pulse.check()
                if self.pulse.request not in {"", Request.STOP}:
                    raise
                self.pulse.lost.wait(STORE_S)

    @contextlib.contextmanager
    def _cache(self, key: str) -> Iterator[Path]:
        """The folder kept under that key for the job's owner, else one that goes with the attempt.

        Not one for all who may read the version: a job writes there what the next one believes.
        """
        if not key:
            yield self.folder / "cache"
            return
        with nodefiles.cache(key) as folder:
            yield folder / self.job.owner_id

    def _follow(
        self, running: Running, events: "queue.SimpleQueue[dict[str, Any]]", recorder: Recorder
    ) -> Exit:
        """Relay events until the engine is gone. Raises StaleLease when the lease is."""
        exit_: Exit | None = None
        while True:
            try:
                event = events.get(timeout=LISTEN_S)
            except queue.Empty:
                if exit_ is not None:
                    break
                exit_ = self._exit = _ended(running)
                if exit_ is not None:
                    self._read_meter()
            else:
                self._relay(recorder, event)
            self.pulse.patiently(lambda: recorder.flush(force=False))
            self.pulse.check()
            if time.monotonic() - recorder.moved_at > settings.HUNG_AFTER_S:
                self.pulse.end_for(EndReason.HUNG)
        if recorder.done is None and exit_.tail:
            recorder.log(exit_.tail)
        self._stored(recorder.flush)
        return exit_

    def _relay(self, recorder: Recorder, event: dict[str, Any]) -> None:
        self.pulse.patiently(lambda: recorder.take(event))
        self.pulse.patience_s = recorder.patience_s

    def _conclude(self, recorder: Recorder, exit_: Exit) -> None:
        reason, message = self._why(recorder, exit_)
        if reason != EndReason.DONE or recorder.done is None:
            self._keep_evidence(recorder.artefacts)
            self._end(reason, message)
            return
        result = Result(self.out, recorder.artefacts, recorder.done.summary)
        kind = KINDS[self.job.kind]
        blobs = self._stored(lambda: kind.collect(self.job, result))
        self._stored(lambda: self._succeed(blobs, result.summary, exit_))

    def _keep_evidence(self, artefacts: Mapping[str, Path]) -> None:
        """What tells why it failed stays with the job; where the file store is away, it goes."""
        for name in KINDS[self.job.kind].evidence & set(artefacts):
            with contextlib.suppress(StoreAwayError):
                blob = storage.copy_in(artefacts[name])
                self.pulse.patiently(partial(lifecycle.keep, self.held, name, blob))

    def _succeed(self, blobs: Mapping[str, Blob], summary: Mapping[str, object], exit_: Exit) -> None:
        with transaction.atomic():
            job = lifecycle.end(
                self.held,
                EndReason.DONE,
                peak_memory_bytes=exit_.peak_memory_bytes,
                seconds=exit_.seconds,
                energy=self.energy,
            )
            KINDS[job.kind].finish(job, blobs, summary)

    def _why(self, recorder: Recorder, exit_: Exit) -> tuple[EndReason, str]:
        """The reason this attempt ended, and the engine's own sentence where it has one."""
        done = recorder.done
        if done is not None and done.reason not in {"interrupted", "crashed"}:
            return (EndReason(done.reason), done.message) if done.reason in SAID else (EndReason.CRASHED, "")
        if self.pulse.killed_for is not None:
            return self.pulse.killed_for, ""
        limits = self.share.limits
        for over, reason, message in (
            (exit_.over_memory, EndReason.OVER_MEMORY_LIMIT, shares.over_memory(exit_, limits)),
            (exit_.crowded_out, EndReason.CROWDED_OUT, shares.crowded_out(exit_, limits)),
            (exit_.timed_out, EndReason.OVER_TIME_LIMIT, ""),
            (exit_.over_disk, EndReason.DISK_FULL, ""),
            (exit_.lost, EndReason.NODE_LOST, ""),
        ):
            if over:
                return reason, message
        if self.pulse.request and (done is not None or exit_.killed):
            return ASKED[Request(self.pulse.request)], ""
        return EndReason.CRASHED, self._crash(done.message if done else "", exit_)

    def _crash(self, said: str, exit_: Exit) -> str:
        how = _("signal %(n)s") % {"n": exit_.signal} if exit_.signal else _("code %(n)s") % {"n": exit_.code}
        return said or _("The job's program stopped unexpectedly (%(how)s). Its log may say why.") % {
            "how": how
        }
