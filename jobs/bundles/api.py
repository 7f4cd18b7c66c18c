"""Models, bundles, targets and the signing key in the API."""

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView, RetrieveAPIView, get_object_or_404
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hardware.targets.registry import TARGETS
from jobs.bundles import bringing, downloads, evaluating, explanations, keys, queries, services
from jobs.bundles.bringing import Offer
from jobs.bundles.forms import labels_in, number_in, take_model
from jobs.bundles.models import Bundle, TrainedModel
from jobs.engine.spec import PixelRange
from jobs.queue import queries as jobs
from jobs.queue.api import MAX_KEY
from jobs.queue.models import Job
from jobs.queue.serializers import JobSerializer
from portal.core.problems import PROBLEM
from portal.kit.errors import UserError
from portal.members.access import signed_in

ZIP = "application/zip"
PYTHON = "text/x-python"
RANGE_HEADERS = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, description=text)
    for name, text in (
        ("Range", "One range of bytes, as in `bytes=1000-`."),
        ("If-Range", "Send the range only if the ETag is still this one, else the whole."),
        ("If-None-Match", "Send nothing (304) if the ETag is one of these."),
    )
]
DOWNLOAD = {
    (200, ZIP): OpenApiTypes.BINARY,
    (206, ZIP): OpenApiTypes.BINARY,
    304: OpenApiResponse(description="You have it already."),
    416: OpenApiResponse(description="The range begins after the end."),
}


def _address(serializer: serializers.BaseSerializer[Any], name: str, *args: str | int) -> str:
    """The absolute address of a view, as the caller reached us."""
    path = reverse(name, args=args)
    request = serializer.context.get("request")
    return request.build_absolute_uri(path) if request else path


class ModelSerializer(serializers.ModelSerializer[TrainedModel]):
    """A trained model. `metrics` and `explanations` are those of its report."""

    owner = serializers.CharField(source="owner.username", read_only=True)
    job = serializers.CharField(source="job_id", read_only=True, allow_null=True)
    dataset = serializers.CharField(source="dataset_id", read_only=True, allow_null=True)
    version = serializers.IntegerField(source="version.number", read_only=True, allow_null=True, default=None)
    task = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    labels = serializers.ListField(child=serializers.CharField(), read_only=True)
    metrics = serializers.SerializerMethodField()
    explanations = serializers.SerializerMethodField()
    keras = serializers.SerializerMethodField()
    origin = serializers.SerializerMethodField(help_text="`trained` here, or `brought` by a member.")
    notes = serializers.SerializerMethodField(
        help_text="What was done to a brought model, and what would help it."
    )
    receipt = serializers.DictField(
        read_only=True,
        help_text="What it was made of and what that took: recipe, seed, data, code, libraries, nodes, energy. `{}` "
        "until it is ready, and for models of before there were receipts.",
    )

    class Meta:
        model = TrainedModel
        fields = [
            "id", "name", "owner", "job", "dataset", "version", "task", "state", "reason", "labels",
            "metrics", "explanations", "keras", "origin", "notes", "receipt", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_task(self, row: TrainedModel) -> str | None:
        return str(row.report["task"]) if "task" in row.report else None

    def get_reason(self, row: TrainedModel) -> str | None:
        return row.reason or None

    @extend_schema_field(serializers.DictField(child=serializers.DictField()))
    def get_metrics(self, row: TrainedModel) -> dict[str, Any]:
        return row.report.get("metrics") or {"test": {}}

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_explanations(self, row: TrainedModel) -> list[dict[str, Any]]:
        """Why it answers so, in parts by `kind`; a `picture` is an address."""
        parts = explanations.plain(explanations.read(row.report.get("explanations")))
        for part in parts:
            for example in part.get("examples", []):
                number = example["picture"]
                example["picture"] = (
                    _address(self, "api-model-picture", row.pk, number) if isinstance(number, int) else None
                )
        return parts

    @extend_schema_field(OpenApiTypes.URI)
    def get_keras(self, row: TrainedModel) -> str:
        return _address(self, "api-model-keras", row.pk)

    @extend_schema_field(serializers.ChoiceField(choices=["trained", "brought"]))
    def get_origin(self, row: TrainedModel) -> str:
        return "brought" if row.is_brought else "trained"

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notes(self, row: TrainedModel) -> list[str]:
        return row.notes


class NewModelSerializer(serializers.Serializer[dict[str, Any]]):
    """The multipart form of POST /models."""

    file = serializers.FileField(
        help_text="A .keras file, an .h5 file (of Keras 3 or 2), or a zip of a SavedModel."
    )
    labels = serializers.CharField(
        required=False,
        help_text="A JSON list of texts, in the order of the model's outputs; `[]` for a model that foretells a "
        "number. Left out: the classes of the dataset, in its order.",
    )
    dataset = serializers.CharField(
        required=False,
        help_text="What to measure it by and to calibrate int8 with. Left out: fp32 only, unmeasured.",
    )
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="Of the dataset; default: the newest ready."
    )
    pixels = serializers.ChoiceField(
        required=False,
        choices=[str(item) for item in PixelRange],
        help_text="What the model wants pictures' values to be; default 0..255, for models that scale by themselves.",
    )
    sample_rate = serializers.IntegerField(
        required=False,
        min_value=bringing.SAMPLE_RATES[0],
        max_value=bringing.SAMPLE_RATES[1],
        help_text="In Hz: makes it a model of sounds, whose one input is a row of samples, mono, -1..1. Not with a "
        "dataset: there are none of sounds yet.",
    )
    name = serializers.CharField(required=False, help_text="Default: the file's name.")


class BundleSerializer(serializers.ModelSerializer[Bundle]):
    """A bundle. `bytes`, `sha256` and `signature` (base64, of its manifest) are null until it is ready."""

    model = serializers.CharField(source="model_id", read_only=True)
    job = serializers.CharField(source="job_id", read_only=True, allow_null=True)
    options = serializers.DictField(read_only=True)
    reason = serializers.SerializerMethodField()
    bytes = serializers.IntegerField(source="zip.bytes", read_only=True, allow_null=True, default=None)
    sha256 = serializers.CharField(source="zip.sha256", read_only=True, allow_null=True, default=None)
    signature = serializers.SerializerMethodField()
    metrics = serializers.DictField(read_only=True)
    receipt = serializers.DictField(source="model.receipt", read_only=True, help_text="Its model's.")
    download = serializers.SerializerMethodField()

    class Meta:
        model = Bundle
        fields = [
            "id", "model", "target", "options", "state", "reason", "bytes", "sha256", "signature",
            "metrics", "receipt", "job", "download", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_reason(self, row: Bundle) -> str | None:
        return row.reason or None

    def get_signature(self, row: Bundle) -> str | None:
        return row.signature or None

    @extend_schema_field(OpenApiTypes.URI)
    def get_download(self, row: Bundle) -> str:
        return _address(self, "api-bundle-download", row.pk)


class BundleRequestSerializer(serializers.Serializer[dict[str, Any]]):
    model = serializers.CharField(max_length=26)
    target = serializers.CharField(max_length=60)
    options = serializers.DictField(
        required=False,
        default=dict,
        help_text='For FPGA boards: {"contained": true} also makes a bitstream that holds the model.',
    )


class TargetSerializer(serializers.Serializer[dict[str, Any]]):
    """What a bundle can be for."""

    name = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=["linux", "microcontroller", "browser", "fpga", "format"])
    ram_bytes = serializers.IntegerField()
    flash_bytes = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["offered", "experimental", "planned"])
    note = serializers.CharField(
        help_text="A sentence on what it takes there, or why nothing is built for it yet."
    )


class ModelList(ListAPIView[TrainedModel]):
    serializer_class = ModelSerializer
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> Any:
        return queries.visible_models(signed_in(self.request))

    @extend_schema(
        operation_id="models_create",
        request={"multipart/form-data": NewModelSerializer},
        responses={202: ModelSerializer, **dict.fromkeys((400, 403, 404, 409, 413, 415, 503), PROBLEM)},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        """Bring a model of your own. It is checked in a sandbox: state `checking`, then `ready` or `refused`."""
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > MAX_KEY:
            raise UserError("invalid", f"An Idempotency-Key has at most {MAX_KEY} characters.")
        given = {name: request.POST.get(name, "") for name in ("dataset", "pixels", "name")}
        offer = Offer(
            labels=labels_in(request.POST.get("labels", "")),
            version=number_in(request.POST.get("version", ""), "version"),
            sample_rate=number_in(request.POST.get("sample_rate", ""), "sample_rate"),
            **given,
        )
        model = take_model(
            owner=signed_in(request), file=request.FILES.get("file"), offer=offer, idempotency_key=key
        )
        return Response(self.get_serializer(model).data, status=202)


class ModelDetail(RetrieveAPIView[TrainedModel]):
    serializer_class = ModelSerializer

    def get_queryset(self) -> Any:
        return queries.visible_models(signed_in(self.request))

    @extend_schema(
        operation_id="models_delete", responses={204: None, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM}
    )
    def delete(self, request: Request, pk: str) -> Response:
        """Delete a model that was brought, with its bundles. Models that were trained here stay with their jobs."""
        model = get_object_or_404(self.get_queryset(), pk=pk)
        bringing.delete_model(model=model, actor=signed_in(request))
        return Response(status=204)


class ModelKeras(APIView):
    @extend_schema(operation_id="models_keras", parameters=RANGE_HEADERS, responses=DOWNLOAD)
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """The model as a `.keras` file, to go on with in Keras."""
        model = get_object_or_404(queries.visible_models(signed_in(request)), pk=pk)
        return downloads.send_model(request._request, model)  # noqa: SLF001 - the request as Django made it


class ModelPicture(APIView):
    @extend_schema(operation_id="models_picture", responses={(200, downloads.WEBP): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: str, number: int) -> HttpResponse:
        """A picture of the model's report: on the left what was asked, on the right the map of the answer."""
        model = get_object_or_404(
            queries.visible_models(signed_in(request)).select_related("report_file"), pk=pk
        )
        return downloads.send_picture(model, number)


class BundleList(ListAPIView[Bundle]):
    serializer_class = BundleSerializer

    def get_queryset(self) -> Any:
        return queries.visible_bundles(signed_in(self.request))

    @extend_schema(
        request=BundleRequestSerializer,
        responses={201: BundleSerializer, 200: BundleSerializer},
        operation_id="bundles_create",
    )
    def post(self, request: Request) -> Response:
        """Ask for a bundle of a model for a target: 201 when its build is queued, else 200."""
        asked = BundleRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted, member = asked.validated_data, signed_in(request)
        model = queries.visible_models(member).filter(pk=wanted["model"]).first()
        if model is None:
            raise Http404
        bundle, made = services.request_bundle(
            model=model, target=wanted["target"], options=wanted["options"], actor=member
        )
        row = BundleSerializer(bundle, context=self.get_serializer_context()).data
        return Response(row, status=201 if made else 200)


class BundleDetail(RetrieveAPIView[Bundle]):
    serializer_class = BundleSerializer

    def get_queryset(self) -> Any:
        return queries.visible_bundles(signed_in(self.request))


class BundleDownload(APIView):
    @extend_schema(operation_id="bundles_download", parameters=RANGE_HEADERS, responses=DOWNLOAD)
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """The bundle's zip, resumable by `Range`."""
        bundle = get_object_or_404(queries.visible_bundles(signed_in(request)), pk=pk)
        return downloads.send_bundle(request._request, bundle)  # noqa: SLF001 - the request as Django made it


class BundleEvaluate(APIView):
    @extend_schema(
        operation_id="bundles_evaluate",
        request=None,
        responses={202: JobSerializer, **dict.fromkeys((400, 403, 404, 409), PROBLEM)},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Have an FPGA board that is plugged into a node run the bundle's test split: a job of kind `evaluate`. What
        came of it stands in the bundle's `metrics.on_board`.
        """
        member = signed_in(request)
        bundle = get_object_or_404(queries.to_evaluate(member), pk=pk)
        job = evaluating.request_evaluation(bundle=bundle, actor=member)
        return Response(JobSerializer(jobs.with_details(Job.objects.all()).get(pk=job.pk)).data, status=202)


class SigningKey(APIView):
    @extend_schema(operation_id="signing_key", responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, _request: Request) -> HttpResponse:
        """The Ed25519 public key that bundles are signed with, as PEM."""
        return HttpResponse(keys.public_pem(), content_type="text/plain; charset=us-ascii")


class Verifier(APIView):
    @extend_schema(operation_id="signing_key_verifier", responses={(200, PYTHON): OpenApiTypes.STR})
    def get(self, _request: Request) -> HttpResponse:
        """The program that checks bundles by that key, in Python's standard library alone: `python3 -I verify.py --key
        signing-key.pem bundle.zip` runs nothing of the bundle.
        """
        headers = {"Content-Disposition": 'attachment; filename="verify.py"'}
        return HttpResponse(keys.verifier(), content_type=f"{PYTHON}; charset=utf-8", headers=headers)


class TargetList(APIView):
    @extend_schema(operation_id="targets_list", responses=TargetSerializer(many=True))
    def get(self, _request: Request) -> Response:
        """The boards that bundles can be built for, and those (`planned`) that a later release will build for."""
        return Response([target.summary() for target in TARGETS.values()])
