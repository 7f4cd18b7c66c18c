"""The nodes in the API: `GET /nodes`, `PATCH /nodes/{id}`."""

from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hardware.nodes import queries, services
from hardware.nodes.models import Accelerator, Node, NodeState
from portal.kit.errors import FieldError, UserError
from portal.members.access import signed_in
from portal.members.models import Member


class AcceleratorSerializer(serializers.ModelSerializer[Accelerator]):
    class Meta:
        model = Accelerator
        fields = [
            "id",
            "kind",
            "index",
            "model",
            "memory_bytes",
            "relative_speed",
            "enabled",
            "missing_since",
        ]
        read_only_fields = fields


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


class NodeSerializer(serializers.ModelSerializer[Node]):
    accelerators = AcceleratorSerializer(many=True, read_only=True)
    sandbox = SandboxSerializer(read_only=True)
    load = serializers.DictField(read_only=True)
    trouble = serializers.SerializerMethodField(
        help_text="Why the node can take no work now; empty when it can. Stewards are told what is wrong."
    )

    class Meta:
        model = Node
        fields = ["id", "name", "state", "trouble", "last_seen_at", "load", "sandbox", "accelerators"]
        read_only_fields = fields

    def get_trouble(self, node: Node) -> str:
        """The details may name files of the node's."""
        known = node.trouble if self.context.get("steward") else _("The stewards have to see to it.")
        return known if node.trouble else ""


class CorrectionSerializer(serializers.Serializer[dict[str, Any]]):
    id = serializers.CharField()
    relative_speed = serializers.FloatField(min_value=0.001, max_value=100_000, required=False)
    enabled = serializers.BooleanField(required=False)


class NodePatchSerializer(serializers.Serializer[dict[str, Any]]):
    """What a steward may set. Other fields of a node's row may be sent along and are left alone."""

    state = serializers.ChoiceField(choices=NodeState.choices, required=False)
    accelerators = CorrectionSerializer(many=True, required=False)


def _shown(request: Request, rows: Any, *, many: bool = False) -> Any:
    member = signed_in(request)
    return NodeSerializer(rows, many=many, context={"steward": member.is_staff}).data


class StewardsWrite(IsAuthenticated):
    """Members read, stewards write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return super().has_permission(request, view)
        return super().has_permission(request, view) and IsAdminUser().has_permission(request, view)


class NodeList(APIView):
    @extend_schema(operation_id="nodes_list", responses=NodeSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The nodes of the shared machine."""
        return Response(_shown(request, queries.nodes(), many=True))


class NodeDetail(APIView):
    permission_classes = [StewardsWrite]

    @extend_schema(operation_id="nodes_retrieve", responses=NodeSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """One node."""
        return Response(_shown(request, get_object_or_404(queries.nodes(), pk=pk)))

    @extend_schema(operation_id="nodes_update", request=NodePatchSerializer, responses=NodeSerializer)
    def patch(self, request: Request, pk: str) -> Response:
        """Take a node in or out of service, or correct its accelerators (stewards)."""
        node = get_object_or_404(Node, pk=pk)
        asked = NodePatchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = signed_in(request)
        with transaction.atomic():
            if "state" in asked.validated_data:
                services.set_state(node, NodeState(asked.validated_data["state"]), actor)
            for entry in asked.validated_data.get("accelerators", []):
                _correct(node, entry, actor)
        return Response(_shown(request, queries.nodes().get(pk=pk)))


def _correct(node: Node, entry: dict[str, Any], actor: Member) -> None:
    row = node.accelerators.filter(pk=entry["id"]).first()
    if row is None:
        sentence = f"This node has no accelerator {entry['id']}."
        raise UserError("invalid", sentence, errors=[FieldError("accelerators", sentence)])
    correction = services.Correction(relative_speed=entry.get("relative_speed"), enabled=entry.get("enabled"))
    services.correct(row, correction, actor)
