"""Queued work: jobs, the attempts at them, and what they said."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hardware.nodes.models import Accelerator, Node
from jobs.datasets.models import Dataset, Version
from jobs.queue.reasons import EndReason, Status
from jobs.queue.yields import Yield
from portal.core.models import Blob, Identified, Leased
from portal.members.models import Member

UNHEARD = timedelta(minutes=2)  # a replay that nobody has begun


class Request(models.TextChoices):
    """What the owner or the platform asked of a job that runs; the node obeys at its next heartbeat."""

    NONE = "", _("nothing")
    CANCEL = "cancel", _("cancel")
    STOP = "stop", _("stop, keep the best so far")
    PREEMPT = "preempt", _("give way")
    DRAIN = "drain", _("leave the node")


class Job(Identified):
    """One piece of queued work. Its status changes only through `jobs.queue.lifecycle.move`. `accelerator` is `any`
    or a place (`jobs.queue.places`).
    """

    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(_("kind"), max_length=12)
    name = models.CharField(_("name"), max_length=120)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.QUEUED, db_index=True
    )
    end_reason = models.CharField(
        _("end reason"), max_length=20, choices=EndReason.choices, blank=True, default=""
    )
    message = models.TextField(_("message"), blank=True)
    request = models.CharField(max_length=10, choices=Request.choices, blank=True, default="")

    recipe = models.CharField(_("recipe"), max_length=60, blank=True)
    dataset = models.ForeignKey(
        Dataset, on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    version = models.ForeignKey(
        Version, on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    spec = models.JSONField(_("what was asked"), default=dict)
    fit = models.JSONField(_("what is expected on its targets"), default=dict, blank=True)
    macs = models.PositiveBigIntegerField(_("multiply-accumulates of one answer"), null=True, blank=True)
    accelerator = models.CharField(_("accelerator asked for"), max_length=40, default="any")

    progress = models.FloatField(_("progress, 0 to 1"), default=0.0)
    metrics = models.JSONField(_("latest metrics"), default=dict, blank=True)
    position = models.JSONField(_("where it is"), default=dict, blank=True)
    boost = models.FloatField(_("its weight is multiplied by"), default=1.0)
    tries = models.PositiveSmallIntegerField(_("retries used"), default=0)
    checkpoint = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    checkpoint_step = models.PositiveBigIntegerField(null=True, blank=True)

    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    yielded: Yield | None = None  # looked up for a page at once, see jobs.queue.kinds

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["owner", "-id"]),
            models.Index(fields=["status", "id"]),
        ]

    def __str__(self) -> str:
        return self.name


class Outlook(models.Model):
    """Why a job waits and when it will start, as the leader last saw it (`rivals`: those before it that wait for the
    same; what is free: as `jobs.scheduler.vacancies` tells it); and the first range that was told, by which ranges are
    judged. The factors are those of its weight (`jobs.scheduler.explain`).
    """

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="outlook")
    made_at = models.DateTimeField(db_index=True)
    position = models.PositiveIntegerField()
    rivals = models.PositiveIntegerField(default=0)
    blocker = models.CharField(max_length=12)
    free_at_once = models.PositiveIntegerField(default=0)
    free_bytes = models.PositiveBigIntegerField(default=0)
    share = models.FloatField()
    length = models.FloatField()
    waiting = models.FloatField()
    earliest = models.DateTimeField(null=True)
    latest = models.DateTimeField(null=True)
    confidence = models.FloatField(null=True)
    alternatives = models.JSONField(default=list)
    first_made_at = models.DateTimeField(null=True)
    first_earliest = models.DateTimeField(null=True)
    first_latest = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.job_id}: {self.position}"


class Trial(models.TextChoices):
    """Where a replay is. One that `runs` and whose lease ran out is lost; see `Replay.is_lost`."""

    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class Replay(Identified, Leased):
    """The jobs of some days, run through the simulator under other settings. `changes` and `added` are as they were
    typed; `result` is what `jobs.scheduler.replay.compare.Report.as_json` makes, and `facts` what it was made of.
    """

    asked_by = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="+")
    days = models.PositiveSmallIntegerField(_("days"))
    changes = models.JSONField(_("settings"), default=list)
    added = models.JSONField(_("added to the machine"), default=list)
    restart_s = models.FloatField(_("seconds that a restart costs"))
    state = models.CharField(_("state"), max_length=8, choices=Trial.choices, default=Trial.WAITING)
    asked_at = models.DateTimeField(_("last asked for"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    progress = models.FloatField(_("progress, 0 to 1"), default=0.0)
    message = models.TextField(_("message"), blank=True, default="")
    facts = models.JSONField(default=dict)
    result = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return ", ".join([*self.changes, *(f"+ {each}" for each in self.added)]) or str(_("as it is"))

    @property
    def is_open(self) -> bool:
        return self.state in {Trial.WAITING, Trial.RUNNING}

    @property
    def is_lost(self) -> bool:
        """Whether nobody works on it any more (its process was killed), or nobody began in all this time."""
        now = timezone.now()
        if self.state == Trial.WAITING:
            return self.asked_at < now - UNHEARD
        return self.state == Trial.RUNNING and (self.lease_expires_at is None or self.lease_expires_at < now)


class Submission(Identified):
    """An `Idempotency-Key` that was used: the same key with the same body yields the same job for 24 hours."""

    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key


class Attempt(Identified, Leased):
    """One try at a job on one node, under a lease. `ended_at` is null while it is open; a job has one open at most."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    node = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, related_name="attempts")
    node_name = models.CharField(max_length=120)
    accelerators = models.ManyToManyField(Accelerator, related_name="attempts", blank=True)
    accelerator_kind = models.CharField(max_length=4)
    claimed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    progressed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=20, choices=EndReason.choices, blank=True, default="")
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    cut_off = models.BooleanField(
        _("its node lived, but could not reach the database"), default=False, editable=False
    )

    class Meta:
        ordering = ["job", "number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_number_once"),
            models.UniqueConstraint(fields=["job"], condition=Q(ended_at=None), name="one_open_attempt"),
        ]
        indexes = [
            models.Index(fields=["end_reason"], name="attempt_end_reason"),  # counted at every scrape
            models.Index(fields=["node", "ended_at"], name="attempt_node_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number}"


class Promise(models.Model):
    """A place that others were asked to leave for this job: the pool of that accelerator. Nobody else comes there as
    long as enough leave for it, and no longer than `until`.
    """

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="promise")
    accelerator = models.ForeignKey(Accelerator, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.job_id}: {self.accelerator_id}"


class JobEvent(models.Model):
    """One move of a job, written in the same transaction as the move."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    old = models.CharField(max_length=10, choices=Status.choices, blank=True)
    new = models.CharField(max_length=10, choices=Status.choices)
    reason = models.CharField(max_length=20, blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


class Metric(models.Model):
    """Named values at one step, as the engine reported them. A resumed attempt repeats no step."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="metric_rows")
    step = models.PositiveBigIntegerField()
    epoch = models.FloatField(null=True, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    values = models.JSONField()

    class Meta:
        ordering = ["job", "step"]
        constraints = [models.UniqueConstraint(fields=["job", "step"], name="metric_step_once")]

    def __str__(self) -> str:
        return f"step {self.step}"


class LogChunk(models.Model):
    """A piece of a job's log. `offset` and `size` count bytes of UTF-8."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_chunks")
    offset = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        ordering = ["job", "offset"]
        constraints = [models.UniqueConstraint(fields=["job", "offset"], name="log_offset_once")]

    def __str__(self) -> str:
        return f"{self.offset}+{self.size}"


class Artefact(models.Model):
    """A file that a job left behind, by the name the engine gave it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="artefacts")
    name = models.CharField(max_length=120)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="artefact_once")]

    def __str__(self) -> str:
        return self.name
