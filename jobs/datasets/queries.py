"""Who may see which data, and what there is."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q, QuerySet, Sum
from django.http import Http404
from django.utils.translation import gettext as _

from jobs.datasets.models import Dataset, Upload, Version, VersionState, Visibility
from portal.core.models import Blob
from portal.members.models import Member


def visible_to(member: Member) -> QuerySet[Dataset]:
    """The datasets that the member may see and use: theirs, their teams', everyone's; a steward sees all."""
    datasets = Dataset.objects.filter(deleted_at=None)
    if member.is_staff:
        return datasets
    of_a_team = Q(visibility=Visibility.TEAM, team__in=member.teams.values("pk"))
    return datasets.filter(Q(owner=member) | Q(visibility=Visibility.COMMUNITY) | of_a_team)


def listed_for(member: Member) -> QuerySet[Dataset]:
    """`visible_to` with all that a list shows, in a constant number of queries."""
    versions = Version.objects.defer("report").order_by("number")
    return (
        visible_to(member)
        .select_related("owner", "team")
        .prefetch_related(Prefetch("versions", versions))
        .order_by("-id")
    )


def dataset_for(member: Member, dataset_id: str) -> Dataset:
    """The dataset, or Http404 when there is none that the member may see."""
    found = listed_for(member).filter(pk=dataset_id).first()
    if found is None:
        raise Http404
    return found


def may_change(member: Member, dataset: Dataset) -> bool:
    """Whether the member may add to the dataset or delete it: its owner and stewards."""
    return member.is_staff or dataset.owner_id == member.pk


def changeable_by(member: Member, dataset_id: str) -> Dataset:
    """The dataset; Http404 when the member may not see it, PermissionDenied when they may only use it."""
    dataset = dataset_for(member, dataset_id)
    if not may_change(member, dataset):
        raise PermissionDenied(_("Only its owner may change this dataset."))
    return dataset


def version_for(member: Member, dataset_id: str, number: int) -> Version:
    """A version of a dataset that the member may see, or Http404."""
    found = (
        Version.objects.filter(dataset__in=visible_to(member), dataset=dataset_id, number=number)
        .select_related("dataset", "upload")
        .first()
    )
    if found is None:
        raise Http404
    return found


def newest_versions(dataset_ids: Iterable[str]) -> dict[str, Version]:
    """The newest version of each of these datasets, by the dataset's id."""
    rows = Version.objects.filter(dataset__in=list(dataset_ids)).select_related("upload").order_by("number")
    return {version.dataset_id: version for version in rows}


def latest_ready(dataset: Dataset) -> Version | None:
    """The newest version that jobs can use."""
    return dataset.versions.filter(state=VersionState.READY).order_by("-number").first()


def storage_used(member: Member) -> int:
    """Bytes that the member's data takes: each stored content once, and what open uploads have announced."""
    versions = Version.objects.filter(dataset__owner=member)
    blobs = Blob.objects.filter(
        Q(pk__in=versions.values("upload")) | Q(pk__in=versions.values("files__blob"))
    )
    stored = blobs.aggregate(total=Sum("bytes"))["total"] or 0
    coming = (
        Upload.objects.filter(dataset__owner=member, version=None).aggregate(total=Sum("length"))["total"]
        or 0
    )
    return stored + coming
