"""The API of datasets and versions, as the contract writes it. Uploads in pieces: `jobs.datasets.tus`."""

from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.datasets import queries, services
from jobs.datasets.models import Dataset, Version
from jobs.datasets.serializers import (
    DatasetSerializer,
    NewDatasetSerializer,
    NewVersionSerializer,
    VersionSerializer,
)
from portal.core.problems import PROBLEM
from portal.kit.errors import FieldError, UserError
from portal.members.access import signed_in
from portal.members.models import Member


def take_file(*, dataset: Dataset, file: object, label_column: str, actor: Member) -> Version:
    """A new version from a file that came with a form of `actor`'s. UserError when there was none."""
    if not isinstance(file, TemporaryUploadedFile):
        detail = _("Choose the file to upload, and send it in the form field “file”.")
        raise UserError("invalid", detail, errors=[FieldError("file", detail)])
    return services.receive_file(
        dataset=dataset,
        file=Path(file.temporary_file_path()),
        size=file.size or 0,
        filename=file.name or "",
        label_column=label_column,
        actor=actor,
    )


class DatasetList(generics.ListAPIView[Dataset]):
    """The datasets that the caller may see, newest first."""

    serializer_class = DatasetSerializer
    queryset = Dataset.objects.none()  # for the schema

    def get_queryset(self) -> QuerySet[Dataset]:
        return queries.listed_for(signed_in(self.request))

    @extend_schema(
        operation_id="datasets_list", responses={200: DatasetSerializer(many=True)}, tags=["datasets"]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="datasets_create",
        request=NewDatasetSerializer,
        responses={201: DatasetSerializer, 400: PROBLEM},
        tags=["datasets"],
    )
    def post(self, request: Request) -> Response:
        """Make a dataset; its data comes with the first version."""
        asked = NewDatasetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = {name: value for name, value in asked.validated_data.items() if value}
        dataset = services.create_dataset(owner=signed_in(request), **given)
        return Response(DatasetSerializer(dataset).data, status=status.HTTP_201_CREATED)


class DatasetDetail(APIView):
    """One dataset."""

    @extend_schema(
        operation_id="datasets_retrieve",
        responses={200: DatasetSerializer, 404: PROBLEM},
        tags=["datasets"],
    )
    def get(self, request: Request, dataset_id: str) -> Response:
        return Response(DatasetSerializer(queries.dataset_for(signed_in(request), dataset_id)).data)

    @extend_schema(
        operation_id="datasets_delete",
        responses={204: None, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM},
        tags=["datasets"],
    )
    def delete(self, request: Request, dataset_id: str) -> Response:
        """Delete it with all versions, unless jobs run on it. The models trained on it stay."""
        member = signed_in(request)
        services.delete_dataset(dataset=queries.dataset_for(member, dataset_id), actor=member)
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionList(APIView):
    """The versions of a dataset."""

    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="versions_create",
        request={"multipart/form-data": NewVersionSerializer},
        responses={
            202: VersionSerializer,
            400: PROBLEM,
            403: PROBLEM,
            404: PROBLEM,
            413: PROBLEM,
            415: PROBLEM,
        },
        tags=["datasets"],
    )
    def post(self, request: Request, dataset_id: str) -> Response:
        """Upload a version in one request. Large files are better sent by tus, which can be resumed."""
        member = signed_in(request)
        dataset = queries.changeable_by(member, dataset_id)
        version = take_file(
            dataset=dataset,
            file=request.FILES.get("file"),
            label_column=request.POST.get("label_column", ""),
            actor=member,
        )
        return Response(VersionSerializer(version).data, status=status.HTTP_202_ACCEPTED)


class VersionDetail(APIView):
    """One version."""

    @extend_schema(
        operation_id="versions_retrieve",
        responses={200: VersionSerializer, 404: PROBLEM},
        tags=["datasets"],
    )
    def get(self, request: Request, dataset_id: str, number: int) -> Response:
        return Response(VersionSerializer(queries.version_for(signed_in(request), dataset_id, number)).data)
