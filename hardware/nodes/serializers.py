"""Nodes as the API writes and reads them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework import serializers

from hardware.nodes import queries
from hardware.nodes.found import MODEL_LENGTH
from hardware.nodes.models import (
    Accelerator,
    AcceleratorKind,
    MaintenanceWindow,
    Node,
    NodeState,
    SpeedFrom,
)
from hardware.nodes.samples import Point
from portal.members.models import Member

LABEL = 80
MOST_BYTES = 2**53  # what JSON's readers hold exactly
AT_MOST = 100_000
MAX_STEP_S = 86_400


class AcceleratorSerializer(serializers.ModelSerializer[Accelerator]):
    corrected = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Which of `model` and `memory_bytes` a steward said otherwise than the node finds it.",
    )
    details = serializers.SerializerMethodField(
        help_text="What else the node finds: chip, compute_capability, driver, pci_bus, port, power_limit_w, target, "
        "tools, usb."
    )

    class Meta:
        model = Accelerator
        fields = [
            "id",
            "kind",
            "index",
            "label",
            "model",
            "memory_bytes",
            "relative_speed",
            "speed_from",
            "price",
            "sharing",
            "enabled",
            "by_hand",
            "corrected",
            "missing_since",
            "details",
        ]
        read_only_fields = fields

    def get_details(self, row: Accelerator) -> dict[str, str]:
        return queries.details(row)


class ProcessorSerializer(serializers.Serializer[dict[str, Any]]):
    model = serializers.CharField(default="")
    architecture = serializers.CharField(default="", help_text="As `uname -m` says it.")
    cores = serializers.FloatField(
        default=0.0, help_text="What jobs may use of them; 0 where it is not known."
    )
    features = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Those that matter to training and inference."
    )


class FactsSerializer(serializers.Serializer[dict[str, Any]]):
    """What the node found of itself when its worker started. Sizes are 0 where they are not known."""

    cpu = ProcessorSerializer(default=dict)
    memory_bytes = serializers.IntegerField(default=0)
    disk_bytes = serializers.IntegerField(source="disk.total_bytes", default=0)
    driver = serializers.CharField(default="", help_text="NVIDIA's; empty where there is none.")
    toolchains = serializers.DictField(
        child=serializers.CharField(), default=dict, help_text="Name → version."
    )


class SandboxSerializer(serializers.Serializer[dict[str, Any]]):
    """What the node's sandbox enforces. `missing` is told to stewards only."""

    available = serializers.BooleanField(default=False)
    enforced = serializers.ListField(child=serializers.CharField(), default=list)
    missing = serializers.ListField(child=serializers.CharField(), required=False)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        shown = {"available": bool(instance.get("available")), "enforced": list(instance.get("enforced", []))}
        if self.context.get("steward"):
            shown["missing"] = list(instance.get("missing", []))
        return shown


class WindowSerializer(serializers.ModelSerializer[MaintenanceWindow]):
    class Meta:
        model = MaintenanceWindow
        fields = ["id", "starts_at", "ends_at", "reason", "drain_before_min"]
        read_only_fields = ["id"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            MaintenanceWindow(**attrs).clean()
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from None
        return attrs


class NodeSerializer(serializers.ModelSerializer[Node]):
    """A node of `queries.nodes`."""

    state = serializers.ChoiceField(choices=NodeState.choices, source="shown_state", read_only=True)
    silent = serializers.BooleanField(
        source="is_silent",
        read_only=True,
        help_text="Whether it has not been heard of for so long that it must be gone, whatever its state.",
    )
    accelerators = AcceleratorSerializer(many=True, read_only=True)
    sandbox = SandboxSerializer(read_only=True)
    load = serializers.DictField(read_only=True)
    facts = FactsSerializer(source="probe", read_only=True)
    donor = serializers.CharField(source="donor.username", default=None, read_only=True, allow_null=True)
    maintenance = WindowSerializer(
        source="coming_windows", many=True, read_only=True, help_text="What is planned, and not over."
    )
    clock_skew_s = serializers.SerializerMethodField(
        help_text="Seconds that its clock is ahead of the database's. Null when it hasn't said, and to members."
    )
    trouble = serializers.SerializerMethodField(
        help_text="Why the node can take no work now; empty when it can. Stewards are told what is wrong."
    )

    class Meta:
        model = Node
        fields = [
            "id",
            "name",
            "label",
            "donor",
            "state",
            "silent",
            "trouble",
            "last_seen_at",
            "clock_skew_s",
            "load",
            "facts",
            "sandbox",
            "maintenance",
            "accelerators",
        ]
        read_only_fields = fields

    def get_trouble(self, node: Node) -> str:
        """The details may name files of the node's."""
        known = node.trouble if self.context.get("steward") else _("The stewards have to see to it.")
        return known if node.trouble else ""

    def get_clock_skew_s(self, node: Node) -> float | None:
        if node.clock_skew is None or not self.context.get("steward"):
            return None
        return node.clock_skew.total_seconds()


class CorrectionSerializer(serializers.Serializer[dict[str, Any]]):
    """`model` and `memory_bytes` stay over restarts, until they are set to what the node finds."""

    id = serializers.CharField()
    model = serializers.CharField(max_length=MODEL_LENGTH, allow_blank=True, required=False)
    memory_bytes = serializers.IntegerField(min_value=0, max_value=MOST_BYTES, required=False)
    label = serializers.CharField(max_length=LABEL, allow_blank=True, required=False)  # type: ignore[assignment] # a field
    relative_speed = serializers.FloatField(min_value=0.001, max_value=AT_MOST, required=False)
    speed_from = serializers.ChoiceField(
        choices=SpeedFrom.choices,
        required=False,
        help_text="As it was read, in a row that is sent back whole: unless it is `steward`, `relative_speed` is what "
        "was learnt or guessed, and is left alone. To set a speed leave this out.",
    )
    price = serializers.FloatField(min_value=0, max_value=AT_MOST, required=False)
    sharing = serializers.IntegerField(min_value=1, max_value=64, required=False)
    enabled = serializers.BooleanField(required=False)


class NodePatchSerializer(serializers.Serializer[dict[str, Any]]):
    """What a steward may set. Other fields of a node's row may be sent along and are left alone."""

    state = serializers.ChoiceField(choices=NodeState.choices, required=False)
    label = serializers.CharField(max_length=LABEL, allow_blank=True, required=False)  # type: ignore[assignment] # a field
    donor = serializers.SlugRelatedField(
        slug_field="username", queryset=Member.objects.all(), allow_null=True, required=False
    )
    accelerators = CorrectionSerializer(many=True, required=False)


class NewAcceleratorSerializer(serializers.Serializer[dict[str, Any]]):
    """One that the node's probe can't find."""

    kind = serializers.ChoiceField(choices=AcceleratorKind.choices)
    index = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    model = serializers.CharField(max_length=MODEL_LENGTH)
    memory_bytes = serializers.IntegerField(min_value=0, max_value=MOST_BYTES, default=0)


class SamplesQuerySerializer(serializers.Serializer[dict[str, Any]]):
    since = serializers.DateTimeField(required=False, help_text="Default: an hour ago.")
    step = serializers.IntegerField(
        min_value=1,
        max_value=MAX_STEP_S,
        required=False,
        help_text="Seconds that each point is the mean of. Default: so that there are about 360 points.",
    )


class PointSerializer(serializers.Serializer[Point]):
    at = serializers.DateTimeField()
    utilisation = serializers.FloatField(allow_null=True, help_text="0 to 1.")
    memory_bytes = serializers.FloatField(allow_null=True)
    temperature_c = serializers.FloatField(allow_null=True)
    power_w = serializers.FloatField(allow_null=True)


class SeriesSerializer(serializers.Serializer[Any]):
    accelerator = serializers.CharField(source="accelerator.id")
    kind = serializers.CharField(source="accelerator.kind")
    index = serializers.IntegerField(source="accelerator.index")
    title = serializers.CharField(source="accelerator.title")
    points = PointSerializer(many=True)


class SamplesSerializer(serializers.Serializer[dict[str, Any]]):
    since = serializers.DateTimeField()
    step_s = serializers.IntegerField()
    series = SeriesSerializer(many=True)
