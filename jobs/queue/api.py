"""The API of recipes and jobs, as the contract writes it."""

from enum import StrEnum
from typing import Any

from django.db.models import TextChoices
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.engine.recipes.registry import RECIPES
from jobs.engine.spec import JobKind
from jobs.queue import queries, services
from jobs.queue.admission import parse_spec
from jobs.queue.models import Job
from jobs.queue.reasons import Status
from jobs.queue.serializers import (
    EventSerializer,
    JobRequestSerializer,
    JobSerializer,
    MetricSerializer,
    RecipeSerializer,
    WaitSerializer,
)
from jobs.queue.waiting import wait_of
from portal.core.api import whole_number
from portal.core.problems import PROBLEM
from portal.kit.errors import FieldError, UserError
from portal.members.access import signed_in

MAX_KEY = 200
STATUS_FILTER = OpenApiParameter(
    "status", str, enum=[str(item) for item in Status], description="Only such jobs."
)
KIND_FILTER = OpenApiParameter(
    "kind", str, enum=[str(item) for item in JobKind], description="Only jobs of this kind."
)
AFTER = OpenApiParameter(
    "after", {"type": "integer", "minimum": -1}, description="The last step that you have."
)
LIMIT = OpenApiParameter("limit", {"type": "integer", "minimum": 1})
OFFSET = OpenApiParameter("offset", {"type": "integer", "minimum": 0}, description="In bytes.")
NEXT_OFFSET = OpenApiParameter(
    "X-Next-Offset", int, OpenApiParameter.HEADER, response=[200], description="The offset to go on from."
)


class RecipeList(APIView):
    """What the machine can train."""

    @extend_schema(operation_id="recipes_list", responses=RecipeSerializer(many=True))
    def get(self, _request: Request) -> Response:
        return Response(
            [
                {
                    "name": recipe.name,
                    "task": recipe.task,
                    "title": recipe.title,
                    "description": recipe.description,
                    "params_schema": recipe.params_schema(),
                    "targets": list(recipe.targets),
                }
                for recipe in RECIPES.values()
            ]
        )


def _one_of(request: Request, name: str, known: type[StrEnum] | type[TextChoices]) -> str:
    """The query string's value of that name, which is one of `known`; empty when nothing is asked."""
    wanted = request.query_params.get(name, "")
    if wanted and wanted not in list(known):
        error = FieldError(name, f"There is no such {name}. There are: {', '.join(known)}.")
        raise UserError("invalid", error.detail, errors=[error])
    return wanted


class JobList(generics.ListAPIView[Job]):
    """The caller's jobs, newest first; all of them for a steward."""

    serializer_class = JobSerializer

    def get_queryset(self) -> Any:
        jobs = queries.with_details(queries.visible_to(signed_in(self.request)))
        for name, known in (("status", Status), ("kind", JobKind)):
            if wanted := _one_of(self.request, name, known):
                jobs = jobs.filter(**{name: wanted})
        return jobs

    @extend_schema(parameters=[STATUS_FILTER, KIND_FILTER], responses={200: JobSerializer(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=JobRequestSerializer,
        responses={201: JobSerializer, 400: PROBLEM, 409: PROBLEM},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        """Queue a job."""
        if not isinstance(request.data, dict):
            raise ParseError("The body must be a JSON object.")
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > MAX_KEY:
            raise UserError("invalid", f"An Idempotency-Key has at most {MAX_KEY} characters.")
        job = services.submit_job(
            owner=signed_in(request), spec=parse_spec(dict(request.data)), idempotency_key=key
        )
        return Response(JobSerializer(job).data, status=status.HTTP_201_CREATED)


class OneJob(APIView):
    """What the calls on one job share."""

    def job(self, request: Request, job_id: str) -> Job:
        return generics.get_object_or_404(
            queries.with_details(queries.visible_to(signed_in(request))), pk=job_id
        )

    def accepted(self, job: Job) -> Response:
        job = queries.with_details(Job.objects.all()).get(pk=job.pk)
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class JobDetail(OneJob):
    @extend_schema(responses={200: JobSerializer, 404: PROBLEM})
    def get(self, request: Request, job_id: str) -> Response:
        return Response(JobSerializer(self.job(request, job_id)).data)


class JobCancel(OneJob):
    @extend_schema(request=None, responses={202: JobSerializer, 404: PROBLEM, 409: PROBLEM})
    def post(self, request: Request, job_id: str) -> Response:
        """End the job; what runs saves a checkpoint first."""
        return self.accepted(services.cancel_job(job=self.job(request, job_id), actor=signed_in(request)))


class JobStop(OneJob):
    @extend_schema(request=None, responses={202: JobSerializer, 404: PROBLEM, 409: PROBLEM})
    def post(self, request: Request, job_id: str) -> Response:
        """End training now and keep the best so far: the job succeeds."""
        return self.accepted(services.stop_job(job=self.job(request, job_id), actor=signed_in(request)))


class JobWait(OneJob):
    @extend_schema(responses={200: WaitSerializer, 404: PROBLEM})
    def get(self, request: Request, job_id: str) -> Response:
        """Why the job waits, what is before it, and when it will probably start."""
        return Response(WaitSerializer(wait_of(self.job(request, job_id))).data)


class JobMetrics(OneJob):
    @extend_schema(
        parameters=[AFTER, LIMIT],
        responses={200: MetricSerializer(many=True), 400: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, job_id: str) -> Response:
        """Metric rows after a step (exclusive), oldest first."""
        after = whole_number(request, "after", default=None, minimum=-1)
        limit = whole_number(request, "limit", default=queries.METRICS_PAGE, minimum=1)
        rows = queries.metrics_after(
            self.job(request, job_id), step=after, limit=limit or queries.METRICS_PAGE
        )
        return Response(MetricSerializer(rows, many=True).data)


class JobLogs(OneJob):
    @extend_schema(
        parameters=[OFFSET, NEXT_OFFSET],
        responses={(200, "text/plain"): OpenApiTypes.STR, 400: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, job_id: str) -> HttpResponse:
        """The log from a byte on; `X-Next-Offset` says where to go on."""
        offset = whole_number(request, "offset", default=0) or 0
        text, end = queries.log_from(self.job(request, job_id), offset=offset)
        return HttpResponse(
            text, content_type="text/plain; charset=utf-8", headers={"X-Next-Offset": str(end)}
        )


class JobEvents(OneJob):
    @extend_schema(responses={200: EventSerializer(many=True), 404: PROBLEM})
    def get(self, request: Request, job_id: str) -> Response:
        """Every move of the job, oldest first."""
        events = queries.events_of(self.job(request, job_id))
        return Response(EventSerializer(events, many=True).data)
