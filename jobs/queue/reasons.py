"""The lifecycle of a job as a table: statuses, the moves allowed between them, and why jobs end."""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """Few statuses; why a job is where it is says its `EndReason`."""

    QUEUED = "queued", _("queued")
    STARTING = "starting", _("starting")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
OPEN = frozenset(set(Status) - FINAL)

MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.STARTING, Status.CANCELLED, Status.FAILED}),
    Status.STARTING: frozenset({Status.RUNNING, Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.QUEUED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}


class EndReason(models.TextChoices):
    """Why an attempt or a job ended. What follows from each is in `POLICY`; its label is what a member reads."""

    DONE = "done", _("It finished.")
    CANCELLED = "cancelled", _("It was cancelled.")
    PREEMPTED = "preempted", _("It gave way to another job and goes on where it stopped.")
    NODE_LOST = "node_lost", _("The node it ran on was lost. It goes on from its last checkpoint.")
    DRAINED = "drained", _("Its node was taken out of service. It goes on elsewhere from where it stopped.")
    OUT_OF_MEMORY = (
        "out_of_memory",
        _("It needed more memory than there was. A smaller batch size, width or picture size helps."),
    )
    OVER_MEMORY_LIMIT = (
        "over_memory_limit",
        _("It passed its memory limit. Ask for more memory, or choose a smaller batch size or picture size."),
    )
    CROWDED_OUT = (
        "crowded_out",
        _(
            "The memory of its node was full, though it kept to its limit. It goes on from its last checkpoint."
        ),
    )
    OVER_TIME_LIMIT = (
        "over_time_limit",
        _("It passed its time limit. Ask for more minutes or choose fewer epochs."),
    )
    NAN_LOSS = (
        "nan_loss",
        _("The loss became infinite or not a number. A lower learning rate helps most often."),
    )
    BAD_DATA = "bad_data", _("The data could not be used for this recipe.")
    DISK_FULL = (
        "disk_full",
        _("The disk of the node was full. The stewards have to make room; then try again."),
    )
    CRASHED = "crashed", _("The job's program stopped unexpectedly.")
    HUNG = "hung", _("It made no progress for too long and was ended.")
    LOST_TOO_OFTEN = (
        "lost_too_often",
        _("Its node was lost again and again while it ran, so it is not tried any more."),
    )
    PLATFORM_ERROR = (
        "platform_error",
        _("The platform made an error. It is not your fault, and no time is charged."),
    )
    REFUSED = "refused", _("It cannot run on its target.")


@dataclass(frozen=True)
class Policy:
    """What follows when an attempt ends for a reason.

    `final` is the job's status when it is not tried again, `retries` how often it is (None: without bound),
    `platform_fault` whether the time is refunded, `exhausted` the reason once the retries are used up. `gives_way`: the
    platform asked it to leave, so what it lost by being ended before it could save its state is refunded.
    """

    final: Status = Status.FAILED
    retries: int | None = 0
    platform_fault: bool = False
    exhausted: EndReason | None = None
    gives_way: bool = False


UNSAVED = _(
    "It had to leave before it could save its state. What it had done since its last checkpoint is given back."
)


POLICY: dict[EndReason, Policy] = {
    EndReason.DONE: Policy(final=Status.SUCCEEDED),
    EndReason.CANCELLED: Policy(final=Status.CANCELLED),
    EndReason.PREEMPTED: Policy(retries=None, gives_way=True),
    EndReason.NODE_LOST: Policy(retries=1, platform_fault=True, exhausted=EndReason.LOST_TOO_OFTEN),
    EndReason.DRAINED: Policy(retries=None, gives_way=True),
    EndReason.OUT_OF_MEMORY: Policy(),
    EndReason.OVER_MEMORY_LIMIT: Policy(),
    EndReason.CROWDED_OUT: Policy(retries=24, platform_fault=True, exhausted=EndReason.PLATFORM_ERROR),
    EndReason.OVER_TIME_LIMIT: Policy(),
    EndReason.NAN_LOSS: Policy(),
    EndReason.BAD_DATA: Policy(),
    EndReason.DISK_FULL: Policy(retries=1, platform_fault=True),
    EndReason.CRASHED: Policy(retries=1),
    EndReason.HUNG: Policy(),
    EndReason.LOST_TOO_OFTEN: Policy(platform_fault=True),
    EndReason.PLATFORM_ERROR: Policy(retries=2, platform_fault=True),
    EndReason.REFUSED: Policy(),
}
