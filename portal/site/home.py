"""What the home page gathers: my jobs, my datasets, and how far I am on the way from data to a bundle."""

from typing import TypedDict

from django.db.models import Exists, OuterRef

from jobs.bundles.models import Bundle, BundleState, TrainedModel
from jobs.datasets.models import Dataset, Version, VersionState
from jobs.queue.models import Job
from jobs.queue.waiting import with_turns
from portal.members.models import Member

NEWEST = 6


class FirstSteps(TypedDict):
    """Which of the three first steps a member has done."""

    uploaded: bool
    trained: bool
    taken_home: bool


def jobs_of(member: Member) -> list[Job]:
    """The member's newest jobs, with what a row shows. One query, and one more when one waits."""
    mine = Job.objects.filter(owner=member).select_related("dataset").defer("spec")
    return with_turns(mine.order_by("-id")[:NEWEST])


def datasets_of(member: Member) -> list[Dataset]:
    """The member's newest datasets, each with `latest`, its newest version or None. Two queries."""
    datasets = list(Dataset.objects.filter(owner=member, deleted_at=None).order_by("-id")[:NEWEST])
    versions = Version.objects.filter(dataset__in=datasets).order_by("dataset", "number")
    newest = {version.dataset_id: version for version in versions}
    for dataset in datasets:
        dataset.latest = newest.get(dataset.pk)
    return datasets


def first_steps(member: Member) -> FirstSteps:
    """How far the member is: some data is ready, a model is trained, a bundle is there. One query."""
    ready = Version.objects.filter(dataset__owner=OuterRef("pk"), state=VersionState.READY)
    trained = TrainedModel.objects.filter(owner=OuterRef("pk"))
    built = Bundle.objects.filter(model__owner=OuterRef("pk"), state=BundleState.READY)
    row = Member.objects.filter(pk=member.pk).values_list(Exists(ready), Exists(trained), Exists(built)).get()
    return FirstSteps(uploaded=row[0], trained=row[1], taken_home=row[2])
