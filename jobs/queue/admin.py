"""Jobs in the stewards' admin: to look at, to cancel, to queue again, to bring forward."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from jobs.queue import services
from jobs.queue.models import Attempt, Job, JobEvent
from jobs.queue.reasons import Status
from portal.members.access import signed_in
from portal.members.stewarding import ReadOnlyInline, StewardAdmin, column, moment

STATUS_COLOURS = {
    Status.QUEUED: "info",
    Status.STARTING: "info",
    Status.RUNNING: "primary",
    Status.SUCCEEDED: "success",
    Status.FAILED: "danger",
    Status.CANCELLED: "warning",
}


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = [
        "number",
        "node_name",
        "accelerator_kind",
        "started_at",
        "ended_at",
        "end_reason",
        "peak_memory_bytes",
    ]


class JobEventInline(ReadOnlyInline):
    model = JobEvent
    fields = ["at", "old", "new", "reason", "sentence"]
    readonly_fields = ["at"]


@admin.register(Job)
class JobAdmin(StewardAdmin):
    list_display = [
        "name",
        "owner",
        "kind",
        "show_status",
        "end_reason",
        "accelerator",
        "dataset",
        "show_progress",
        "show_created",
        "show_ended",
    ]
    list_filter = ["status", "end_reason", "kind", "accelerator", ("owner", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["owner", "dataset"]
    search_fields = ["name", "owner__username", "dataset__name", "id"]
    ordering = ["-id"]
    inlines: ClassVar[list[type[ReadOnlyInline]]] = [AttemptInline, JobEventInline]
    actions = ["cancel", "requeue", "bring_forward", "hold_back"]

    @column(_("status"), order="status", colours=STATUS_COLOURS)
    def show_status(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()

    @column(_("progress"), order="progress")
    def show_progress(self, job: Job) -> str:
        return f"{job.progress:.0%}"

    @column(_("created"), order="created_at")
    def show_created(self, job: Job) -> str:
        return moment(job.created_at)

    @column(_("ended"), order="ended_at")
    def show_ended(self, job: Job) -> str:
        return moment(job.ended_at)

    @admin.action(description=_("Cancel: end them, keep a checkpoint"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.for_each(request, queryset, lambda job: services.cancel_job(job=job, actor=signed_in(request)))

    @admin.action(description=_("Queue again: what runs gives its place back, what failed is submitted anew"))
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.for_each(request, queryset, lambda job: services.requeue_job(job=job, actor=signed_in(request)))

    @admin.action(description=_("Bring forward: four times the weight"))
    def bring_forward(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._raise(request, queryset, services.STEP)

    @admin.action(description=_("Hold back: a quarter of the weight"))
    def hold_back(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._raise(request, queryset, 1 / services.STEP)

    def _raise(self, request: HttpRequest, queryset: QuerySet[Job], factor: float) -> None:
        actor = signed_in(request)
        self.for_each(request, queryset, lambda job: services.raise_job(job=job, factor=factor, actor=actor))
