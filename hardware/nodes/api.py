"""The nodes in the API: what they are, how busy they were, and what stewards set."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import SAFE_METHODS, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hardware.nodes import queries, samples, services, windows
from hardware.nodes.models import AcceleratorKind, MaintenanceWindow, Node, NodeState, SpeedFrom
from hardware.nodes.serializers import (
    AcceleratorSerializer,
    NewAcceleratorSerializer,
    NodePatchSerializer,
    NodeSerializer,
    SamplesQuerySerializer,
    SamplesSerializer,
    WindowSerializer,
)
from portal.core import leases
from portal.core.problems import PROBLEM
from portal.kit.errors import FieldError, UserError
from portal.members.access import signed_in
from portal.members.models import Member

SHOWN = timedelta(hours=1)


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
        """Take a node in or out of service, name it, or correct its accelerators (stewards)."""
        node = get_object_or_404(Node, pk=pk)
        asked = NodePatchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _set(node, asked.validated_data, signed_in(request))
        return Response(_shown(request, queries.nodes().get(pk=pk)))


@transaction.atomic
def _set(node: Node, asked: dict[str, Any], actor: Member) -> None:
    if "state" in asked:
        services.set_state(node, NodeState(asked["state"]), actor)
    if "label" in asked:
        services.name_node(node, asked["label"], actor)
    if "donor" in asked:
        services.set_donor(node, asked["donor"], actor)
    for entry in asked.get("accelerators", []):
        _correct(node, dict(entry), actor)


def _correct(node: Node, entry: dict[str, Any], actor: Member) -> None:
    pk = entry.pop("id")
    row = node.accelerators.filter(pk=pk).first()
    if row is None:
        sentence = f"This node has no accelerator {pk}."
        raise UserError("invalid", sentence, errors=[FieldError("accelerators", sentence)])
    if entry.pop("speed_from", SpeedFrom.STEWARD) != SpeedFrom.STEWARD:
        entry.pop("relative_speed", None)  # nobody said it: it was learnt, and may be another by now
    services.correct(row, services.Correction(**entry), actor)


class NodeSamples(APIView):
    @extend_schema(
        operation_id="nodes_samples",
        parameters=[SamplesQuerySerializer],
        responses={200: SamplesSerializer, 400: PROBLEM, 404: PROBLEM},
    )
    def get(self, request: Request, pk: str) -> Response:
        """How busy, full, hot and hungry its accelerators were. Readings live for a day, five-minute means for 30
        days.
        """
        node = get_object_or_404(Node, pk=pk)
        asked = SamplesQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        now = leases.clock()
        since: datetime = asked.validated_data.get("since", now - SHOWN)
        step_s = asked.validated_data.get("step") or samples.fitting_step(since, now)
        found = samples.series(node, since=since, step_s=step_s)
        return Response(SamplesSerializer({"since": since, "step_s": step_s, "series": found}).data)


class AcceleratorList(APIView):
    permission_classes = [StewardsWrite]

    @extend_schema(
        operation_id="nodes_accelerators_create",
        request=NewAcceleratorSerializer,
        responses={201: AcceleratorSerializer, 400: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Add an accelerator that the node's probe can't find (stewards)."""
        node = get_object_or_404(Node, pk=pk)
        asked = NewAcceleratorSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        kind = AcceleratorKind(asked.validated_data.pop("kind"))
        row = services.add(node, kind=kind, actor=signed_in(request), **asked.validated_data)
        return Response(AcceleratorSerializer(row).data, status=status.HTTP_201_CREATED)


class AcceleratorDetail(APIView):
    permission_classes = [StewardsWrite]

    @extend_schema(
        operation_id="nodes_accelerators_destroy", responses={204: None, 404: PROBLEM, 409: PROBLEM}
    )
    def delete(self, request: Request, pk: str, accelerator: str) -> Response:
        """Remove an accelerator that is disabled, and that the node does not find (stewards)."""
        node = get_object_or_404(Node, pk=pk)
        services.remove(get_object_or_404(node.accelerators, pk=accelerator), signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WindowList(APIView):
    permission_classes = [StewardsWrite]

    @extend_schema(
        operation_id="nodes_windows_list", responses={200: WindowSerializer(many=True), 404: PROBLEM}
    )
    def get(self, request: Request, pk: str) -> Response:  # noqa: ARG002
        """The node's maintenance windows that are not over, the next first."""
        node = get_object_or_404(Node, pk=pk)
        return Response(WindowSerializer(windows.coming().filter(node=node), many=True).data)

    @extend_schema(
        operation_id="nodes_windows_create",
        request=WindowSerializer,
        responses={201: WindowSerializer, 400: PROBLEM, 404: PROBLEM},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Plan a maintenance window (stewards): the node drains before it, is in maintenance, and is back after it."""
        node = get_object_or_404(Node, pk=pk)
        asked = WindowSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        window = MaintenanceWindow(node=node, **asked.validated_data)
        windows.plan(window, signed_in(request))
        return Response(WindowSerializer(window).data, status=status.HTTP_201_CREATED)


class WindowDetail(APIView):
    permission_classes = [StewardsWrite]

    @extend_schema(operation_id="nodes_windows_destroy", responses={204: None, 404: PROBLEM})
    def delete(self, request: Request, pk: str, window: str) -> Response:
        """Cancel a maintenance window (stewards); a node that is out of service because of it is back at once."""
        node = get_object_or_404(Node, pk=pk)
        windows.cancel(get_object_or_404(node.windows, pk=window), signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
