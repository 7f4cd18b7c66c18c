"""Writing down what a running job says, under its lease: progress, metrics, log, checkpoints."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from jobs.queue import lifecycle, messages
from jobs.queue.lifecycle import Held
from jobs.queue.models import Job, LogChunk, Metric
from jobs.queue.reasons import Status
from jobs.runner.mounts import OutsideError, pinned
from portal.core import live, storage, superseded
from portal.core.stores.trouble import StoreAwayError

PROGRESS_EVERY_S = 1.0
PUBLISH_EVERY_S = 0.25
LOG_EVERY_S = 1.0
PAY_EVERY_S = 5.0
LOG_CHUNK_CHARS = 32_000
LOG_MAX_BYTES = 8 * 1024**2
POSITION = {"phase", "step", "steps", "epoch", "epochs", "steps_per_s"}
CHECKPOINTS = 3  # so many times what the latest took may one take that is asked for
STEPS_AHEAD = 16  # that an engine may have queued on its device
LOG_CUT = "… the log is cut here: it passed 8 MB.\n"


class Recorder:
    """One attempt's messages to the database and to whoever watches. Raises StaleLease when the lease is lost.

    `resolve` tells the file that the job means by a path of its own; OutsideError for what is not the job's.
    """

    def __init__(self, held: Held, resolve: Callable[[str], Path]) -> None:
        self.held = held
        self.resolve = resolve
        self.artefacts: dict[str, Path] = {}
        self.done: messages.Done | None = None
        self.moved_at = time.monotonic()
        self.saved_at: float | None = None  # when its last state that is stored was told of
        self._told_at = 0.0
        self._where: tuple[str, float, int] = ("", 0.0, 0)
        self._job = Job.objects.only("pk", "metrics", "position", "checkpoint_step").get(pk=held.job_id)
        cost = self._job.position.get("checkpoint_s")
        self._cost: dict[str, float] = (
            {"checkpoint_s": cost} if cost else {}
        )  # of its latest, here or elsewhere
        self._pace: float = self._job.position.get("steps_per_s") or 0.0
        self._owed: messages.CheckpointFile | None = None
        self._owed_since = 0.0
        self._log: list[str] = []
        self._log_end = self._log_size()
        self._log_full = self._log_end >= LOG_MAX_BYTES
        self._saved_at = self._published_at = self._logged_at = 0.0

    @property
    def patience_s(self) -> float:
        """How long the engine may take to save its state and leave once it is asked to, by what it told of its
        checkpoints and its steps; no longer than a job may be without progress.
        """
        steps_s = STEPS_AHEAD / self._pace if self._pace > 0 else 0.0
        return min(CHECKPOINTS * self._cost.get("checkpoint_s", 0.0) + steps_s, settings.HUNG_AFTER_S)

    @property
    def left_saved(self) -> bool:
        """Whether the engine left when it was asked to, and nothing that it saved is still to be stored."""
        return self.done is not None and self.done.reason == "interrupted" and self._owed is None

    def take(self, event: object) -> None:
        """Record one event of the engine. What is malformed is dropped."""
        match messages.parse(event):
            case messages.Started():
                lifecycle.started(self.held)
            case messages.Progress() as message:
                self._progress(message)
            case messages.MetricValues() as message:
                self._metric(message)
            case messages.Log() as message:
                self.log(message.text)
            case messages.CheckpointFile() as message:
                self.moved_at = self._told_at = time.monotonic()
                told = message.model_dump(include={"checkpoint_s"}, exclude_none=True)
                self._cost = told or self._cost
                with contextlib.suppress(StoreAwayError):  # `flush` tries again, and the job need not wait
                    self._checkpoint(message)
            case messages.ArtefactFile() as message:
                if path := self.inside(message.path):
                    self.artefacts[message.name] = path
            case messages.Done() as message:
                self.done = message

    def inside(self, name: str) -> Path | None:
        """The file that the job calls `name`, if it is a plain file of its own."""
        try:
            return self.resolve(name)
        except OutsideError:
            return None

    def _progress(self, message: messages.Progress) -> None:
        now = time.monotonic()
        where = (message.phase, message.fraction, message.step)
        if where != self._where:
            self._where, self.moved_at = where, now
        position = message.model_dump(include=POSITION, exclude_none=True)
        self._pace = message.steps_per_s or self._pace
        if now - self._published_at >= PUBLISH_EVERY_S:
            self._published_at = now
            self._publish({"type": "progress", "progress": message.fraction, **position})
        if now - self._saved_at >= PROGRESS_EVERY_S:
            self._saved_at = now
            with transaction.atomic():
                lifecycle.own(self.held, progressed_at=Now())
                self._update(progress=message.fraction, position={**position, **self._cost})

    def _metric(self, message: messages.MetricValues) -> None:
        self.moved_at = time.monotonic()
        with transaction.atomic():
            lifecycle.own(self.held, progressed_at=Now())
            row, _made = Metric.objects.update_or_create(
                job_id=self.held.job_id,
                step=message.step,
                defaults={"epoch": message.epoch, "values": message.values},
            )
            self._job.metrics = {**self._job.metrics, **message.values}
            self._update(metrics=self._job.metrics)
        point = {"step": row.step, "epoch": row.epoch, "at": row.at.isoformat(), "values": row.values}
        self._publish({"type": "metric", **point})

    def _checkpoint(self, message: messages.CheckpointFile) -> None:
        path = self.inside(message.path)
        if path is None:
            self._owed = None
            return
        began = time.monotonic()
        self._owed, self._owed_since = message, began
        try:
            with pinned(path) as same:  # the job runs on, and could put a link to another file there
                blob = storage.copy_in(same)
        except OutsideError:
            self._owed = None
            return
        finally:
            self.moved_at += time.monotonic() - began  # meanwhile nobody listened to it
        with transaction.atomic():
            lifecycle.own(self.held, progressed_at=Now())
            older = Job.objects.values_list("checkpoint_id", flat=True).get(pk=self.held.job_id)
            self._update(checkpoint=blob, checkpoint_step=message.step)
        superseded.let_go(older)
        self._owed, self.saved_at = None, self._told_at

    def _pay(self, *, force: bool) -> None:
        """Store the checkpoint that the file store could not take, unless a newer one was. Raises StoreAwayError when
        that is forced, and can't be done yet.
        """
        if self._owed is None or not (force or time.monotonic() - self._owed_since >= PAY_EVERY_S):
            return
        try:
            self._checkpoint(self._owed)
        except StoreAwayError:
            if force:
                raise

    def log(self, text: str) -> None:
        """Add to the job's log; `flush` writes it."""
        text = messages.plain(text)
        self._log.append(text if text.endswith("\n") else text + "\n")

    def flush(self, *, force: bool = True) -> None:
        """Write what was logged since the last time; unless forced, once a second or when it is much. Then store the
        checkpoint that is owed: StoreAwayError when it is forced, and the store is away.
        """
        self._flush_log(force=force)
        self._pay(force=force)

    def _flush_log(self, *, force: bool) -> None:
        now = time.monotonic()
        due = force or now - self._logged_at >= LOG_EVERY_S or sum(map(len, self._log)) > LOG_CHUNK_CHARS
        if not self._log or not due:
            return
        if not self._log_full:
            self._write("".join(self._log))
        self._log, self._logged_at = [], now  # only now: what could not be written is tried again

    def _write(self, text: str) -> None:
        full = self._log_end + len(text.encode()) >= LOG_MAX_BYTES
        text = LOG_CUT if full else text
        size = len(text.encode())
        with transaction.atomic():
            lifecycle.own(self.held)
            LogChunk.objects.update_or_create(
                job_id=self.held.job_id, offset=self._log_end, defaults={"size": size, "text": text}
            )
        self._publish({"type": "log", "offset": self._log_end, "text": text})
        self._log_end += size
        self._log_full = full

    def _log_size(self) -> int:
        last = LogChunk.objects.filter(job_id=self.held.job_id).order_by("-offset").first()
        return last.offset + last.size if last else 0

    def _update(self, **changes: object) -> None:
        Job.objects.filter(pk=self.held.job_id, status__in=[Status.STARTING, Status.RUNNING]).update(
            **changes
        )

    def _publish(self, payload: dict[str, object]) -> None:
        live.publish(lifecycle.group_of(self.held.job_id), payload)
