"""A job as the contract writes it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.engine.recipes.sizing.boards import Fits
from jobs.queue.kinds import yields_of
from jobs.queue.models import Attempt, Job, JobEvent, Metric
from jobs.queue.queries import ids_of
from jobs.queue.reasons import Status
from jobs.queue.waiting import Alternative, Wait
from jobs.queue.yields import Yield


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    node = serializers.CharField(source="node_name")
    accelerators = serializers.SerializerMethodField()
    end_reason = serializers.SerializerMethodField()

    class Meta:
        model = Attempt
        fields = ["number", "node", "accelerators", "started_at", "ended_at", "end_reason"]

    def get_accelerators(self, attempt: Attempt) -> list[str]:
        return [f"{item.kind}{item.index}" for item in attempt.accelerators.all()]

    def get_end_reason(self, attempt: Attempt) -> str | None:
        return attempt.end_reason or None


class OnTargetSerializer(serializers.Serializer[dict[str, Any]]):
    """What the model is estimated to take on a target."""

    target = serializers.CharField()
    fits = serializers.ChoiceField(
        choices=[str(each) for each in Fits], help_text="`close`: the job finds out before it trains."
    )
    reason = serializers.CharField(allow_blank=True)
    model_bytes = serializers.IntegerField()
    flash_bytes = serializers.IntegerField(
        help_text="What the target has; of an FPGA board, what its engine keeps weights in."
    )
    ram_bytes = serializers.IntegerField(
        help_text="On a microcontroller the arena, on an FPGA board the engine's activations."
    )
    ram_free_bytes = serializers.IntegerField(help_text="What the target has.")
    latency_ms = serializers.FloatField(
        allow_null=True, help_text="Of one answer; null where no speed of the target is known."
    )


class FitSerializer(serializers.Serializer[dict[str, Any]]):
    """Estimates, made when the job was submitted. `asked` and `chosen` name what was made smaller to fit."""

    asked = serializers.DictField(child=serializers.IntegerField())
    chosen = serializers.DictField(child=serializers.IntegerField())
    sentence = serializers.CharField(allow_blank=True)
    limits = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="What targets lack for what was asked; absent in jobs of before this was said.",
    )
    parameters = serializers.IntegerField()
    macs = serializers.IntegerField(help_text="Multiply-accumulates of one answer.")
    targets = OnTargetSerializer(many=True)


class JobListSerializer(serializers.ListSerializer[Job]):
    """Looks up once, for the whole page, what its jobs yielded."""

    def to_representation(self, data: Any) -> list[Any]:
        jobs = list(data)
        known = yields_of(ids_of(jobs))
        for job in jobs:
            job.yielded = known.get(job.pk, Yield())
        return super().to_representation(jobs)


class JobSerializer(serializers.ModelSerializer[Job]):
    status = serializers.ChoiceField(choices=Status.choices)
    end_reason = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username")
    dataset = serializers.CharField(source="dataset_id", allow_null=True)
    version = serializers.IntegerField(source="version.number", allow_null=True, default=None)
    params = serializers.SerializerMethodField()
    resources = serializers.SerializerMethodField()
    targets = serializers.SerializerMethodField()
    progress = serializers.FloatField(min_value=0, max_value=1)
    metrics = serializers.DictField(child=serializers.FloatField())
    attempts = AttemptSerializer(many=True)
    fit = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    bundles = serializers.SerializerMethodField()

    class Meta:
        model = Job
        list_serializer_class = JobListSerializer
        fields = [
            "id", "kind", "name", "status", "end_reason", "message", "owner", "recipe", "dataset", "version",
            "params", "resources", "targets", "created_at", "started_at", "ended_at", "progress", "metrics",
            "attempts", "fit", "model", "bundles",
        ]  # fmt: skip

    def get_end_reason(self, job: Job) -> str | None:
        return job.end_reason or None

    def get_params(self, job: Job) -> dict[str, Any]:
        return dict(job.spec.get("params") or {})

    def get_resources(self, job: Job) -> dict[str, Any]:
        return dict(job.spec.get("resources") or {})

    def get_targets(self, job: Job) -> list[str]:
        return list(job.spec.get("targets") or [])

    @extend_schema_field(FitSerializer(allow_null=True))
    def get_fit(self, job: Job) -> dict[str, Any] | None:
        return job.fit or None

    def get_model(self, job: Job) -> str | None:
        return self._yield(job).model

    def get_bundles(self, job: Job) -> list[str]:
        return list(self._yield(job).bundles)

    def _yield(self, job: Job) -> Yield:
        if job.yielded is None:
            job.yielded = yields_of([job.pk]).get(job.pk, Yield())
        return job.yielded


class MetricSerializer(serializers.ModelSerializer[Metric]):
    values = serializers.DictField(child=serializers.FloatField())

    class Meta:
        model = Metric
        fields = ["step", "epoch", "at", "values"]


class EventSerializer(serializers.ModelSerializer[JobEvent]):
    old = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()

    class Meta:
        model = JobEvent
        fields = ["at", "old", "new", "reason", "sentence"]

    def get_old(self, event: JobEvent) -> str | None:
        return event.old or None

    def get_reason(self, event: JobEvent) -> str | None:
        return event.reason or None


class RecipeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    task = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    params_schema = serializers.DictField()
    targets = serializers.ListField(child=serializers.CharField())


class ResourcesSerializer(serializers.Serializer[Any]):
    """For the schema alone: requests are checked by `jobs.engine.spec`."""

    accelerator = serializers.ChoiceField(choices=["any", "cpu", "gpu", "tpu", "fpga"], default="any")
    count = serializers.IntegerField(min_value=1, max_value=64, default=1)
    memory_mb = serializers.IntegerField(min_value=256, required=False, allow_null=True)
    max_minutes = serializers.IntegerField(min_value=1, required=False, allow_null=True)


class JobRequestSerializer(serializers.Serializer[Any]):
    """For the schema alone: requests are checked by `jobs.engine.spec`."""

    kind = serializers.ChoiceField(choices=["train"], default="train")
    recipe = serializers.CharField()
    dataset = serializers.CharField()
    version = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    params = serializers.DictField(required=False)
    resources = ResourcesSerializer(required=False)
    targets = serializers.ListField(child=serializers.CharField(), required=False)
    fit = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Train the largest network that all targets hold, up to what `params` ask for.",
    )
    warm_start = serializers.CharField(required=False, allow_null=True)
    name = serializers.CharField(required=False, max_length=120)


class TermsSerializer(serializers.Serializer[dict[str, float]]):
    """The factors of a job's weight; 1 is ordinary, more brings it forward."""

    share = serializers.FloatField(help_text="By what its owner used lately of their share.")
    length = serializers.FloatField(help_text="By how soon it is expected to end.")
    waiting = serializers.FloatField(help_text="By how long it has waited.")


class StartSerializer(serializers.Serializer[dict[str, Any]]):
    earliest = serializers.DateTimeField()
    latest = serializers.DateTimeField()
    confidence = serializers.FloatField(help_text="The chance that it starts between them, 0 to 1.")


class AlternativeSerializer(serializers.Serializer[Alternative]):
    change = serializers.CharField(help_text="What to ask for instead, in words.")
    start = serializers.DateTimeField(help_text="When the job would probably start then.")


class WaitSerializer(serializers.Serializer[Wait]):
    """Why a job waits. Without a position it does not; without `made_at` the scheduler has yet to look at it."""

    position = serializers.IntegerField(allow_null=True, help_text="1 is next.")
    sentence = serializers.CharField()
    factors = serializers.ListField(
        child=serializers.CharField(), help_text="The terms that matter, in words."
    )
    blocker = serializers.CharField(
        allow_null=True, help_text="accelerator, concurrency, hours, reserved or nowhere."
    )
    terms = TermsSerializer(allow_null=True)
    start = StartSerializer(allow_null=True)
    alternatives = AlternativeSerializer(many=True)
    made_at = serializers.DateTimeField(allow_null=True, help_text="When the scheduler saw it so.")
