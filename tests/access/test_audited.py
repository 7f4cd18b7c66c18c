"""Whatever a steward does to another member's things is in the audit log: all that the table lets stewards write and
other members not.
"""

from typing import Any

import pytest

from jobs.datasets.models import Dataset
from jobs.queue.models import Job
from portal.members.models import AuditEntry
from tests.access.conftest import World
from tests.access.table import API, PAGES, Row, rows

pytestmark = pytest.mark.django_db
READS = ("GET", "HEAD")
DONE = ("200", "201", "202", "204", "302", "400")  # the last: the table's own calls send nothing
REFUSED = ("403", "404")
MULTIPART = "multipart/form-data; boundary=B"
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\nx\r\n--B--'
WINDOW = {"starts_at": "2100-01-01T10:00:00Z", "ends_at": "2100-01-01T11:00:00Z", "reason": "dust"}
TERMS = ("share", "storage_gb", "concurrent_jobs", "cpu_hours", "gpu_hours", "tpu_hours", "fpga_hours")

NOBODYS = {
    "machine/replay": "a calculation, which changes nothing",
    "machine/replay/<str:pk>/again": "a calculation, which changes nothing",
    "api/v1/jobs": "a job of the steward's own, on data that stewards may see",
    "api/v1/models": "a model of the steward's own, measured by data that stewards may see",
}
"""What is nothing that is done to another's things."""

FORMS: dict[str, dict[str, Any]] = {
    "datasets/<str:dataset_id>/versions/<int:number>/again": {"label_column": "price"},
    "models/<str:pk>/bundles": {"target": "raspberry-pi-5"},
    "ledger/costs": {"cost": "120.50"},
    "machine/nodes/<str:pk>/state": {"state": "draining"},
    "machine/nodes/<str:pk>/windows": {
        "starts_at": "2100-01-01T10:00",
        "ends_at": "2100-01-01T11:00",
        "drain_before_min": 5,
        "reason": "dust",
    },
    "jobs/<str:job_id>/raise": {"to": "forward"},
}
BODIES: dict[str, dict[str, Any]] = {
    "api/v1/bundles": {"target": "raspberry-pi-5"},
    "api/v1/nodes/<str:pk>": {"state": "draining"},
    "api/v1/nodes/<str:pk>/accelerators": {"kind": "tpu", "model": "test"},
    "api/v1/nodes/<str:pk>/windows": WINDOW,
}


def writes() -> list[Row]:
    """Each kind of thing once more than is needed does no harm: a dataset of a team is changed like a private one."""
    return [
        row
        for row in [*rows(PAGES), *rows(API)]
        if row.method not in READS
        and row.other in REFUSED
        and row.steward in DONE
        and row.route not in NOBODYS
        and not row.route.startswith("admin/")  # it goes through the services that tests of its own are about
    ]


def sent(world: World, row: Row) -> dict[str, Any]:
    """What a steward sends, so that something is done."""
    if row.route.endswith(("/versions", "/versions/new")):
        return {"data": FILE, "content_type": MULTIPART}
    if row.route.startswith("api/"):
        body = BODIES.get(row.route, {}) | ({"model": world.ids[row.thing]} if row.thing == "model" else {})
        return {"data": body, "content_type": "application/json"}
    if row.route == "ledger/quotas":
        alice, shown = world.members["owner"].pk, "1.0 20000000000 4 500.0 100.0 100.0 100.0"
        typed = dict(zip(TERMS, ("3", "20", "4", "500", "100", "100", "100"), strict=True))
        return {
            "data": {f"{alice}-shown": shown, **{f"{alice}-{name}": value for name, value in typed.items()}}
        }
    return {"data": FORMS.get(row.route, {})}


def prepare(world: World, row: Row) -> Row:
    """As it has to be, so that there is something to do."""
    if row.route.endswith(("/stop", "/requeue")):
        Job.objects.filter(pk=world.ids["queued"]).update(status="running")
    if row.route.endswith("/delete") and row.route.startswith("datasets/"):
        Job.objects.filter(status="queued").update(status="cancelled")
    if row.route == "models/<str:pk>/delete":
        return Row(**{**vars(row), "thing": "brought"})
    return row


@pytest.mark.parametrize("row", writes(), ids=lambda row: f"{row.method} {row.route} {row.thing}")
def test_what_a_steward_does_to_anothers_things_is_noted(row: Row, world: World) -> None:
    steward = world.members["steward"]
    AuditEntry.objects.all().delete()
    row = prepare(world, row)
    client = world.script("steward") if row.route.startswith("api/") else world.browser("steward")
    call = getattr(client, row.method.lower())
    answer = call(world.path(row.route, row.thing), **sent(world, row))
    assert answer.status_code < 400, answer.content.decode()[:500]
    assert AuditEntry.objects.filter(actor=steward).exists()


def test_what_members_do_to_their_own_is_not(world: World) -> None:
    AuditEntry.objects.all().delete()
    Job.objects.filter(status="queued").update(status="cancelled")
    for visibility in ("private", "team"):
        path = f"/api/v1/datasets/{world.ids[visibility]}"
        assert world.script("owner").post(f"{path}/versions", FILE, content_type=MULTIPART).status_code == 202
        assert world.script("owner").delete(path).status_code == 204
    assert Dataset.objects.filter(deleted_at=None).count() == 1
    assert not AuditEntry.objects.exists()
