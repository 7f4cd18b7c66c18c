"""`GET /me`: who I am, what I may use and what I used; `GET /me/statement`: a month of it."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core import leases
from portal.core.problems import PROBLEM
from portal.ledger import queries
from portal.ledger.models import Donation, LedgerEntry
from portal.ledger.statements import Statement, parse_month, statement
from portal.members.access import signed_in
from portal.members.models import Member


class DeviceHours(serializers.Serializer[dict[str, float]]):
    cpu = serializers.FloatField()
    gpu = serializers.FloatField()
    tpu = serializers.FloatField()
    fpga = serializers.FloatField()


class Amounts(serializers.Serializer[dict[str, Any]]):
    """Of a quota: the most. Of the usage: storage and jobs now, device-hours since the month began (UTC).

    Storage counts datasets with all their versions, uploads on their way, and models that were brought, each stored
    file once; trained models, bundles and checkpoints are not counted.
    """

    storage_bytes = serializers.IntegerField()
    concurrent_jobs = serializers.IntegerField()
    device_hours = DeviceHours()


class Share(serializers.Serializer[queries.Share]):
    share = serializers.FloatField(help_text="The entitled fraction of the machine, 0 to 1.")
    used_fraction = serializers.FloatField(
        help_text="The fraction of all recent use, with what runs; a week ago counts half."
    )
    fair_factor = serializers.FloatField(
        help_text="What the weight of my waiting jobs is multiplied by for that, among those who have jobs now. What "
        "my other jobs used beyond my share holds each back further: both are in `terms.share` of its `wait`."
    )


class Me(serializers.Serializer[dict[str, Any]]):
    username = serializers.CharField()
    role = serializers.ChoiceField(choices=["member", "steward"])
    teams = serializers.ListField(child=serializers.CharField())
    quota = Amounts()
    usage = Amounts()
    share = Share()


def describe(member: Member) -> dict[str, Any]:
    """The answer for `member`."""
    quota = queries.quota_of(member)
    return {
        "username": member.username,
        "role": member.role,
        "teams": list(member.teams.order_by("name").values_list("name", flat=True)),
        "quota": {
            "storage_bytes": quota.storage_bytes,
            "concurrent_jobs": quota.concurrent_jobs,
            "device_hours": queries.allowed_hours(quota),
        },
        "usage": queries.usage(member),
        "share": queries.share_of(member),
    }


class MeView(APIView):
    @extend_schema(operation_id="me", responses=Me, tags=["members"])
    def get(self, request: Request) -> Response:
        """Who I am, what I may use, what I use, and my share of the machine."""
        member = signed_in(request)
        return Response(Me(describe(member)).data)


class EntrySerializer(serializers.ModelSerializer[LedgerEntry]):
    class Meta:
        model = LedgerEntry
        fields = [
            "began_at", "created_at", "attempt", "kind", "node", "device_seconds", "weight", "energy_kwh",
            "energy_measured", "refunded", "corrects", "reason",
        ]  # fmt: skip
        read_only_fields = fields


class DonationSerializer(serializers.ModelSerializer[Donation]):
    """How long a node of mine took work on one day, UTC."""

    class Meta:
        model = Donation
        fields = ["day", "node", "node_seconds", "weight", "weighted_hours"]
        read_only_fields = fields


class StatementSerializer(serializers.Serializer[Statement]):
    """A month. An attempt that ran over its edge is listed with what of it is in the month. What was refunded, as the
    platform's fault, is listed and not counted. What a steward put right has a reason, and no attempt or one of an
    entry that it undoes, and so has what an attempt lost by giving way; negative device-seconds are given back.
    """

    month = serializers.CharField(source="month.name")
    hours = DeviceHours()
    weighted_hours = serializers.FloatField()
    refunded_hours = serializers.FloatField()
    energy_kwh = serializers.FloatField()
    energy_measured = serializers.BooleanField(help_text="Whether all of that energy was measured.")
    given_hours = serializers.FloatField(
        help_text="Weighted hours that nodes I gave took work: each accelerator's at its price."
    )
    donations = DonationSerializer(
        many=True, help_text="What these hours are made of, node by node and day by day."
    )
    cost = serializers.DecimalField(
        max_digits=14,
        decimal_places=2,
        allow_null=True,
        help_text="What the month cost all members together; null until a steward enters it.",
    )
    cost_part = serializers.DecimalField(
        max_digits=14, decimal_places=2, allow_null=True, help_text="My part of it, by weighted hours."
    )
    entries = EntrySerializer(many=True)


class StatementView(APIView):
    @extend_schema(
        operation_id="me_statement",
        parameters=[OpenApiParameter("month", str, description="As 2026-11; default: this one, UTC.")],
        responses={200: StatementSerializer, 400: PROBLEM},
        tags=["members"],
    )
    def get(self, request: Request) -> Response:
        """What I used in a month, attempt by attempt."""
        month = parse_month(request.query_params.get("month", ""), now=leases.clock())
        return Response(StatementSerializer(statement(signed_in(request), month)).data)
