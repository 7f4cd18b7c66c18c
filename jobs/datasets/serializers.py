"""Datasets and versions as the contract writes them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.datasets.models import Dataset, Task, Version, VersionState, Visibility


class ListedVersionSerializer(serializers.ModelSerializer[Version]):
    """A version in its dataset's list."""

    class Meta:
        model = Version
        fields = ["number", "state"]


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset. `label_column` and `team` are null when there is none; `owner` and `team` are names."""

    task = serializers.ChoiceField(choices=Task.choices)
    label_column = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username")
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    team = serializers.CharField(source="team.name", allow_null=True, default=None)
    versions = ListedVersionSerializer(many=True)

    class Meta:
        model = Dataset
        fields = [
            "id", "name", "task", "label_column", "description", "owner", "visibility", "team", "created_at",
            "versions",
        ]  # fmt: skip

    def get_label_column(self, dataset: Dataset) -> str | None:
        return dataset.label_column or None


class NewDatasetSerializer(serializers.Serializer[dict[str, Any]]):
    """What POST /datasets takes. What its values may be is for the service to say."""

    name = serializers.CharField()
    task = serializers.ChoiceField(choices=Task.choices)
    label_column = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    description = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    team = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, help_text="A team's name, with visibility `team`."
    )


class SplitsSerializer(serializers.Serializer[dict[str, int]]):
    train = serializers.IntegerField()
    validation = serializers.IntegerField()
    test = serializers.IntegerField()


class SkippedSerializer(serializers.Serializer[dict[str, str]]):
    file = serializers.CharField()
    reason = serializers.CharField()


class ColumnSerializer(serializers.Serializer[dict[str, Any]]):
    """A table's column, as inferred. The last fields only where they mean something."""

    name = serializers.CharField()
    type = serializers.CharField(help_text="number, category or ignored")
    role = serializers.CharField(help_text="feature, label or ignored")
    missing = serializers.IntegerField()
    different = serializers.IntegerField(required=False)
    reason = serializers.CharField(required=False, help_text="Why it is ignored.")
    note = serializers.CharField(required=False)
    categories = serializers.ListField(child=serializers.CharField(), required=False)
    minimum = serializers.FloatField(required=False)
    maximum = serializers.FloatField(required=False)
    mean = serializers.FloatField(required=False)


class LooksSerializer(serializers.Serializer[dict[str, Any]]):
    side = serializers.IntegerField(help_text="The median of the pictures' shorter sides, in pixels.")
    height = serializers.IntegerField(
        required=False, help_text="The median of their heights; versions checked long ago have none."
    )
    width = serializers.IntegerField(required=False, help_text="The median of their widths.")
    coloured = serializers.BooleanField(help_text="Whether some of them have a colour.")


class ReportSerializer(serializers.Serializer[dict[str, Any]]):
    """What is in a version. `classes` is empty for regression; at most 200 of `skipped_total` are listed."""

    samples = serializers.IntegerField()
    classes = serializers.DictField(child=serializers.IntegerField())
    splits = SplitsSerializer()
    columns = ColumnSerializer(many=True, required=False)
    pictures = LooksSerializer(required=False)
    skipped = SkippedSerializer(many=True)
    skipped_total = serializers.IntegerField()


class VersionSerializer(serializers.ModelSerializer[Version]):
    """A version; its report is there once it is ready, its reason once it is rejected."""

    dataset = serializers.CharField(source="dataset_id")
    state = serializers.ChoiceField(choices=VersionState.choices)
    code = serializers.SerializerMethodField(help_text="Stable name of the reason.")
    reason = serializers.SerializerMethodField()
    bytes = serializers.IntegerField(source="upload.bytes")
    sha256 = serializers.CharField(source="upload.sha256")
    label_column = serializers.SerializerMethodField()
    report = serializers.SerializerMethodField()

    class Meta:
        model = Version
        fields = [
            "dataset", "number", "state", "code", "reason", "progress", "filename", "label_column", "bytes",
            "sha256", "created_at", "report",
        ]  # fmt: skip

    def get_code(self, version: Version) -> str | None:
        return version.code or None

    def get_reason(self, version: Version) -> str | None:
        return version.reason or None

    def get_label_column(self, version: Version) -> str | None:
        return version.label_column or None

    @extend_schema_field(ReportSerializer(allow_null=True))
    def get_report(self, version: Version) -> dict[str, Any] | None:
        return version.report or None


class NewVersionSerializer(serializers.Serializer[dict[str, Any]]):
    """The multipart form of POST /datasets/{id}/versions."""

    file = serializers.FileField()
    label_column = serializers.CharField(
        required=False, allow_blank=True, help_text="Default: the dataset's, else a table's last column."
    )
