"""The stewards' admin: who gets in, what it does, and that it stays quick."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hardware.nodes.models import Accelerator, Node, NodeState
from jobs.bundles.models import Bundle, TrainedModel
from jobs.datasets.models import Dataset, Upload, Version
from jobs.queue.models import Job
from jobs.queue.reasons import Status
from portal.core import storage
from portal.ledger import services as ledger
from portal.ledger.models import GB, LedgerEntry, Quota
from portal.members import services, tokens
from portal.members.models import ApiToken, AuditEntry, Invitation, Member, Team

MODELS = [
    Member,
    Team,
    Invitation,
    ApiToken,
    AuditEntry,
    Dataset,
    Version,
    Upload,
    Job,
    TrainedModel,
    Bundle,
    Node,
]


def path_of(model: type, page: str = "changelist", *args: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client: Client, action: str, *rows: object) -> str:
    """Run an admin action on rows of one model; what the page says then."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(path_of(type(rows[0])), data, follow=True).content.decode()


def fill(member: Member, number: int) -> None:
    """One row of everything."""
    blob = storage.put_bytes(b"x")
    dataset = Dataset.objects.create(owner=member, name=f"beans {number}", task="image-classification")
    version = Version.objects.create(dataset=dataset, number=1, filename="x.zip", upload=blob)
    Upload.objects.create(
        owner=member,
        dataset=dataset,
        filename="y.zip",
        length=1,
        version=version,
        expires_at=timezone.now() + timedelta(days=1),
    )
    job = Job.objects.create(
        owner=member, kind="train", name=f"job {number}", dataset=dataset, version=version
    )
    model = TrainedModel.objects.create(
        owner=member, name="m", keras=blob, dataset=dataset, version=version, job=job
    )
    Bundle.objects.create(model=model, target="raspberry-pi-4", options_sha256="0" * 64)
    node = Node.objects.create(name=f"node {number}", key_sha256="0" * 64)
    Accelerator.objects.create(node=node, kind="gpu")
    tokens.create(member=member, name=f"token {number}")
    services.invite(actor=member, note=f"guest {number}")
    Team.objects.create(name=f"team {number}")
    ledger.charge(member=member, attempt_id=job.pk, kind="cpu", device_seconds=1.0, refunded=False)


def test_stewards_alone_get_in_and_by_the_ordinary_sign_in(
    client: Client, client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))
    assert (
        client.post("/admin/login/", {"username": "cora", "password": "correct horse battery"}).status_code
        == 302
    )
    assert client.get("/admin/").status_code == 302
    assert client_for(alice).get("/admin/", follow=True).status_code == 403
    assert client_for(cora).get("/admin/").status_code == 200


def test_a_steward_who_is_no_superuser_may_do_it_all(client_for: Callable[..., Client], cora: Member) -> None:
    Member.objects.filter(pk=cora.pk).update(is_superuser=False)
    client = client_for(cora)
    for model in MODELS:
        assert client.get(path_of(model)).status_code == 200


def test_a_pending_member_is_found_and_approved(client_for: Callable[..., Client], cora: Member) -> None:
    dora = services.sign_up(member=Member(username="dora"))
    client = client_for(cora)
    page = client.get(path_of(Member) + "?standing=pending").content.decode()
    assert "dora" in page
    assert f"/{cora.pk}/change" not in page
    assert "1 was changed." in act(client, "approve", dora, cora)
    dora.refresh_from_db()
    assert dora.is_active
    assert AuditEntry.objects.filter(action="member.approved", actor=cora, subject="dora").exists()


def test_the_other_standings_change_by_actions(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    client = client_for(cora)
    for action, field, value in (
        ("suspend", "is_active", False),
        ("reinstate", "is_active", True),
        ("make_steward", "is_staff", True),
        ("make_member", "is_staff", False),
    ):
        act(client, action, alice)
        alice.refresh_from_db()
        assert getattr(alice, field) is value
    assert "last steward" in act(client, "suspend", cora)
    assert "nothing to change" in act(client, "refuse", alice)


def test_no_field_of_a_member_is_typed_in(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    data = {
        "username": "mallory",
        "is_staff": "on",
        "is_superuser": "on",
        "password": "x",
        "quota-TOTAL_FORMS": "0",
        "quota-INITIAL_FORMS": "0",
    }
    client_for(cora).post(path_of(Member, "change", alice.pk), data)
    alice.refresh_from_db()
    assert (alice.username, alice.is_staff, alice.is_superuser) == ("alice", False, False)
    assert client_for(cora).post(path_of(Member, "delete", alice.pk), {"post": "yes"}).status_code == 403
    assert client_for(cora).get(path_of(Member, "add")).status_code == 403


def test_a_reset_link_is_shown_once_for_one_member(
    client_for: Callable[..., Client], alice: Member, bob: Member, cora: Member
) -> None:
    client = client_for(cora)
    assert "Choose one member" in act(client, "make_reset_link", alice, bob)
    page = act(client, "make_reset_link", alice)
    link = page.split('id="link">')[1].split("<")[0]
    assert link.startswith("http://testserver/account/password/reset/key/")
    form = Client().get(link)
    assert form.status_code == 302
    assert AuditEntry.objects.get(action="member.reset_link").actor == cora


def test_an_invitation_is_made_and_its_link_shown_once(
    client_for: Callable[..., Client], cora: Member
) -> None:
    client = client_for(cora)
    expires = timezone.now() + timedelta(days=2)
    data = {"note": "Dora", "expires_at_0": f"{expires:%Y-%m-%d}", "expires_at_1": f"{expires:%H:%M:%S}"}
    page = client.post(path_of(Invitation, "add"), data, follow=True).content.decode()
    link = page.split('id="link">')[1].split("<")[0]
    secret = link.rsplit("/", 1)[1]
    invitation = Invitation.objects.get()
    assert services.open_invitation(secret) == invitation
    assert (invitation.created_by, invitation.note, invitation.steward) == (cora, "Dora", False)
    assert abs(invitation.expires_at - expires) < timedelta(seconds=2)
    assert secret not in client.get(path_of(Invitation)).content.decode()
    act(client, "withdraw", invitation)
    assert services.open_invitation(secret) is None


def test_a_quota_is_set_beside_its_member(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    data = {
        "quota-TOTAL_FORMS": "1",
        "quota-INITIAL_FORMS": "0",
        "quota-0-member": alice.pk,
        "quota-0-storage_gb": "1.5",
        "quota-0-concurrent_jobs": "2",
        "quota-0-share": "1",
        "quota-0-cpu_hours": "10",
        "quota-0-gpu_hours": "0",
        "quota-0-tpu_hours": "0",
        "quota-0-fpga_hours": "0",
    }
    answer = client_for(cora).post(path_of(Member, "change", alice.pk), data)
    assert answer.status_code == 302
    quota = Quota.objects.get(member=alice)
    assert (quota.storage_bytes, quota.concurrent_jobs, quota.gpu_hours) == (3 * GB // 2, 2, 0)
    entry = AuditEntry.objects.get(action="quota.set")
    assert (entry.actor, entry.subject) == (cora, "alice")
    assert entry.detail["storage_bytes"] == {"old": 20 * GB, "new": 3 * GB // 2}
    assert "share" not in entry.detail
    assert 'value="1.5"' in client_for(cora).get(path_of(Member, "change", alice.pk)).content.decode()


def test_a_token_is_revoked_but_its_digest_not_shown(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    row, text = tokens.create(member=alice, name="laptop")
    client = client_for(cora)
    assert text[:15] not in client.get(path_of(ApiToken)).content.decode()
    act(client, "revoke", row)
    assert tokens.find(text) is None
    assert AuditEntry.objects.get(action="token.revoked").actor == cora


def test_the_audit_log_and_the_ledger_cannot_be_rewritten(
    client_for: Callable[..., Client], cora: Member
) -> None:
    services.audit(cora, "test", "subject")
    entry = AuditEntry.objects.get()
    client = client_for(cora)
    assert client.get(path_of(AuditEntry, "add")).status_code == 403
    assert client.post(path_of(AuditEntry, "change", entry.pk), {"action": "x"}).status_code == 403
    assert client.post(path_of(AuditEntry, "delete", entry.pk), {"post": "yes"}).status_code == 403
    act(client, "delete_selected", entry)
    assert AuditEntry.objects.filter(action="test").count() == 1


def test_figures_and_times_are_as_short_as_they_tell_something(
    client_for: Callable[..., Client], alice: Member, cora: Member
) -> None:
    cost = ledger.Cost(energy_kwh=0.00003246359660599281)
    ledger.charge(
        member=alice, attempt_id="a", kind="cpu", device_seconds=4.895822106999731, refunded=False, cost=cost
    )
    shown = client_for(cora).get(path_of(LedgerEntry)).content.decode()
    assert "0.0014" in shown, "hours"
    assert "0.0325" in shown, "Wh"
    assert "4.8958" not in shown
    when = timezone.localtime(LedgerEntry.objects.get().created_at)
    assert f'<span class="whitespace-nowrap">{when:%Y-%m-%d %H:%M}</span>' in shown


def test_a_job_is_cancelled(client_for: Callable[..., Client], alice: Member, cora: Member) -> None:
    job = Job.objects.create(owner=alice, kind="train", name="<script>x</script>")
    page = act(client_for(cora), "cancel", job)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert "<script>x" not in page
    assert "ended already" in act(client_for(cora), "cancel", job)


def test_nodes_are_taken_in_and_out_of_service(client_for: Callable[..., Client], cora: Member) -> None:
    node = Node.objects.create(name="mill-1", key_sha256="0" * 64)
    row = Accelerator.objects.create(node=node, kind="gpu")
    client = client_for(cora)
    for action, state in (("drain", "draining"), ("maintain", "maintenance"), ("activate", "active")):
        act(client, action, node)
        node.refresh_from_db()
        assert node.state == state
    assert client.post(path_of(Node, "delete", node.pk), {"post": "yes"}).status_code == 403
    data = {
        "accelerators-TOTAL_FORMS": "1",
        "accelerators-INITIAL_FORMS": "1",
        "accelerators-0-id": row.pk,
        "accelerators-0-node": node.pk,
        "accelerators-0-memory_bytes": "0",
        "accelerators-0-relative_speed": "2.5",
        "accelerators-0-price": "1",
        "accelerators-0-sharing": "1",
    }
    assert client.post(path_of(Node, "change", node.pk), data).status_code == 302
    row.refresh_from_db()
    assert (row.relative_speed, row.enabled) == (2.5, False)
    assert AuditEntry.objects.get(action="accelerator.correct").actor == cora
    Node.objects.update(state=NodeState.OFFLINE)
    assert client.post(path_of(Node, "delete", node.pk), {"post": "yes"}).status_code == 302
    assert not Node.objects.exists()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_cost_the_same_however_long(
    client_for: Callable[..., Client],
    alice: Member,
    cora: Member,
    model: type,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        fill(alice, number)
    client = client_for(cora)
    with django_assert_max_num_queries(12):
        answer = client.get(path_of(model))
    assert answer.status_code == 200
    detail = model.objects.first()
    assert client.get(path_of(model, "change", detail.pk)).status_code == 200
    assert client.get(path_of(model) + "?q=beans").status_code == 200


def test_nothing_is_in_the_admin_by_accident() -> None:
    assert {model.__name__ for model in admin.site._registry} == {model.__name__ for model in MODELS} | {
        "Donation",
        "LedgerEntry",
        "MaintenanceWindow",
    }
