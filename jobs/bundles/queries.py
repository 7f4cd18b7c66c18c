"""Reads: which models and bundles a member may see. Their owner does, and stewards see all."""

from django.db.models import QuerySet

from jobs.bundles.models import Bundle, TrainedModel
from portal.members.models import Member


def visible_models(member: Member) -> QuerySet[TrainedModel]:
    """Models that `member` may see, newest first, with what a row shows."""
    rows = TrainedModel.objects.select_related("owner", "job", "dataset", "version", "keras").order_by("-id")
    return rows if member.is_staff else rows.filter(owner=member)


def visible_bundles(member: Member) -> QuerySet[Bundle]:
    """Bundles that `member` may see, newest first, with what a row shows."""
    rows = (
        Bundle.objects.select_related("model", "zip").defer("model__report", "model__labels").order_by("-id")
    )
    return rows if member.is_staff else rows.filter(model__owner=member)


def with_bundles(models: QuerySet[TrainedModel]) -> QuerySet[TrainedModel]:
    """The same models with their bundles loaded in one more query."""
    return models.prefetch_related("bundles", "bundles__zip", "bundles__job")
