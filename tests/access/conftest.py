"""The cast, with one of everything that is Alice's, and the ways in which each of them knocks."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from hardware.nodes.models import Accelerator, MaintenanceWindow, Node
from jobs.bundles.models import Bundle, TrainedModel
from jobs.datasets.models import Dataset, Upload, Version, VersionFile, VersionState, Visibility
from jobs.queue.models import Job, LogChunk, Metric, Replay
from portal.core import live, storage
from portal.ledger.models import Donation, LedgerEntry
from portal.members import services, tokens
from portal.members.models import AuditEntry, Member, Team
from tests.bundles.explained import explained
from tests.bundles.folders import small_zip

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
CSRF = "a" * 32
OUTSIDERS = ("anonymous", "revoked", "pending", "suspended")
INSIDERS = ("owner", "other", "team", "steward")
PEOPLE = (*INSIDERS, *OUTSIDERS)
SECRET_WORD = "zanzibar"
"""Stands in the name of all that is private to Alice, so that a leak is found wherever it shows."""


@dataclass
class World:
    """Alice's things by the names that the table uses; `things[kind]` are the variants of a placeholder."""

    members: dict[str, Member]
    tokens: dict[str, str]
    sessions: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, route: str, thing: str = "") -> str:
        """The address of a route with Alice's `thing` in it."""
        text = "/" + route.replace("^", "").replace("$", "")
        for placeholder, name in PLACES:
            text = re.sub(placeholder, lambda _m, name=name: self.ids[name.format(thing=thing)], text)
        return text

    def browser(self, person: str, *, csrf: bool = True) -> Client:
        """That person's browser; with `csrf` it sends the token of the page."""
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if person in self.sessions:
            client.cookies["sessionid"] = self.sessions[person]
        if csrf:
            client.cookies["csrftoken"] = CSRF
            client.defaults["HTTP_X_CSRFTOKEN"] = CSRF
        return client

    def script(self, person: str) -> Client:
        """That person's script: it carries a token and no cookies."""
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if person in self.tokens:
            client.defaults["HTTP_AUTHORIZATION"] = f"Token {self.tokens[person]}"
        return client


PLACES = (
    (r"<str:dataset_id>/versions/<int:number>/files/<str:name>", "{thing}/file"),
    (r"<str:dataset_id>/versions/<int:number>", "{thing}/version"),
    (r"<str:dataset_id>", "{thing}"),
    (r"<str:job_id>/evidence/<str:name>", "{thing}/evidence"),
    (r"<str:job_id>|\(\?P<job_id>[^)]*\)", "{thing}"),
    (r"<str:secret>", "invitation"),
    (r"<path:content_type_id>/<path:object_id>", "shortcut"),
    (r"<str:pk>/pictures/<int:number>", "{thing}/picture"),
    (r"bundles/<str:pk>/files/<str:name>", "bundle/manifest"),
    (r"<str:pk>/accelerators/<str:accelerator>", "{thing}/accelerator"),
    (r"<str:pk>/windows/<str:window>", "{thing}/window"),
    (r"<str:pk>|<path:object_id>", "{thing}"),
    (r"\(\?P<uidb36>.*\)-\(\?P<key>\.\+\)", "nothing-nothing"),
    (r"\(\?P<key>[^)]*\)", "nothing"),
    (r"\(\?P<app_label>[^)]*\)", "app"),
    (r"\(\?P<url>\.\*\)", "nothing"),
    (r"\(\?:/\.\*\)\?", "tail"),
)


def _cast(make: Callable[..., Any]) -> dict[str, Member]:
    names = {"owner": "alice", "other": "bob", "team": "tess", "pending": "paula", "suspended": "sam"}
    members = {person: make(name) for person, name in names.items()}
    members["steward"] = make("cora", steward=True)
    growers = Team.objects.create(name=f"growers {SECRET_WORD}")
    growers.members.set([members[name] for name in ("owner", "team", "pending", "suspended")])
    return members


def _keys(members: dict[str, Member]) -> tuple[dict[str, str], dict[str, str]]:
    """A token and a session of each, made while they could sign in; then the outsiders are put out."""
    texts = {person: tokens.create(member=member, name="test")[1] for person, member in members.items()}
    sessions = {}
    for person, member in members.items():
        client = Client()
        client.force_login(member, backend=BACKEND)
        sessions[person] = client.cookies["sessionid"].value
    row, texts["revoked"] = tokens.create(member=members["owner"], name="revoked")
    tokens.revoke(token=row, actor=members["owner"])
    gone = Client()
    gone.force_login(members["owner"], backend=BACKEND)
    sessions["revoked"] = gone.cookies["sessionid"].value
    gone.logout()
    services.suspend(actor=members["steward"], member=members["suspended"])
    Member.objects.filter(pk=members["pending"].pk).update(is_active=False, approved_at=None)
    return texts, sessions


def _version(dataset: Dataset) -> Version:
    version = Version.objects.create(
        dataset=dataset,
        number=1,
        state=VersionState.READY,
        filename=f"{dataset.name}.zip",
        upload=storage.put_bytes(dataset.name.encode()),
        report={"samples": 9},
    )
    VersionFile.objects.create(version=version, name="strip-0.webp", blob=storage.put_bytes(b"strip"))
    return version


def _datasets(world: World) -> dict[str, Version]:
    alice = world.members["owner"]
    found = {}
    for visibility in Visibility.values:
        team = Team.objects.get() if visibility == Visibility.TEAM else None
        name = f"{visibility} leaves" if visibility == Visibility.COMMUNITY else f"{visibility} {SECRET_WORD}"
        dataset = Dataset.objects.create(
            owner=alice, name=name, task="image-classification", visibility=visibility, team=team
        )
        found[visibility] = _version(dataset)
        world.ids |= {
            visibility: dataset.pk,
            f"{visibility}/version": f"{dataset.pk}/versions/1",
            f"{visibility}/file": f"{dataset.pk}/versions/1/files/strip-0.webp",
        }
    return found


def _job(version: Version, status: str, name: str) -> Job:
    return Job.objects.create(
        owner=version.dataset.owner,
        kind="train",
        name=f"{name} {SECRET_WORD}",
        status=status,
        recipe="image-classifier",
        dataset=version.dataset,
        version=version,
        spec={"targets": [], "recipe": "image-classifier"},
    )


def _work(world: World, version: Version) -> None:
    """A queued job, an ended one with its log and figures, its model and a bundle of that."""
    queued, ended = _job(version, "queued", "waits"), _job(version, "succeeded", "ended")
    Metric.objects.create(job=ended, step=1, values={SECRET_WORD: 1.0})
    LogChunk.objects.create(job=ended, offset=0, text=SECRET_WORD, size=len(SECRET_WORD))
    model = TrainedModel.objects.create(
        owner=version.dataset.owner,
        job=ended,
        dataset=version.dataset,
        version=version,
        name=f"model {SECRET_WORD}",
        labels=["oak", "ash"],
        keras=storage.put_bytes(b"weights"),
        report_file=storage.put_bytes(json.dumps({"explanations": explained()}).encode()),
    )
    bundle = Bundle.objects.create(
        model=model, target="raspberry-pi-4", options_sha256="0" * 64, state="ready",
        zip=storage.put_bytes(small_zip(manifest__json=b"{}")),
    )  # fmt: skip
    circuit = Bundle.objects.create(
        model=model, target="ulx3s-12f", options_sha256="1" * 64, state="ready",
        zip=storage.put_bytes(small_zip(manifest__json=b"{}")),
    )  # fmt: skip
    owner = queued.owner
    check = Job.objects.create(
        owner=owner, kind="import", name=f"brought {SECRET_WORD}", status="succeeded", spec={}
    )
    brought = TrainedModel.objects.create(
        owner=owner, job=check, name=check.name, labels=["oak", "ash"], keras=storage.put_bytes(b"brought")
    )
    LedgerEntry.objects.create(member=queued.owner, attempt="a" * 26, kind="cpu", device_seconds=1.0)
    world.ids |= {
        "queued": queued.pk, "ended": ended.pk, "model": model.pk, "bundle": bundle.pk, "circuit": circuit.pk,
        "brought": brought.pk,
        "model/picture": f"{model.pk}/pictures/0",
        "bundle/manifest": f"bundles/{bundle.pk}/files/manifest.json",
        "ended/evidence": f"{ended.pk}/evidence/tools.log",
    }  # fmt: skip


def _stewarded(world: World) -> None:
    """What stewards look after: rows of every model that the admin shows."""
    node = Node.objects.create(name="mill-1", key_sha256="0" * 64, last_seen_at=timezone.now())
    Accelerator.objects.create(node=node, kind="cpu", model="test", memory_bytes=8 * 1024**3)
    board = Accelerator.objects.create(node=node, kind="fpga", model="test", by_hand=True, enabled=False)
    Accelerator.objects.create(node=node, kind="fpga", index=1, model="ULX3S 12F")
    later = timezone.now() + timedelta(hours=1)
    window = MaintenanceWindow.objects.create(
        node=node, starts_at=later, ends_at=later + timedelta(hours=1), reason="dust"
    )
    alice = world.members["owner"]
    Donation.objects.create(member=alice, node=node.name, day=later.date(), node_seconds=1.0, weight=1.0)
    invitation, link = services.invite(actor=world.members["steward"], note=SECRET_WORD)
    upload = Upload.objects.create(
        owner=alice, dataset_id=world.ids["private"], filename="x.zip", length=10, expires_at=timezone.now()
    )
    replay = Replay.objects.create(
        days=30, restart_s=30.0, state="failed", message=SECRET_WORD, asked_at=timezone.now()
    )
    kind = ContentType.objects.get_for_model(Dataset).pk
    world.ids |= {
        "replay": replay.pk, "node": node.pk, "node/accelerator": f"{node.pk}/accelerators/{board.pk}",
        "node/window": f"{node.pk}/windows/{window.pk}",
        "invitation": link.rsplit("/", 1)[1], "token": alice.auth_token_set.get().ref,
        "shortcut": f"{kind}/{world.ids['private']}", "app": "members", "nothing": "nothing",
        "nothing-nothing": "nothing-nothing", "tail": "/nothing",
        "members/member": alice.pk, "members/team": Team.objects.get().pk,
        "members/invitation": invitation.pk, "members/apitoken": alice.auth_token_set.get().pk,
        "members/auditentry": AuditEntry.objects.latest("id").pk,
        "ledger/ledgerentry": LedgerEntry.objects.get().pk, "ledger/donation": Donation.objects.get().pk,
        "nodes/node": node.pk,
        "nodes/maintenancewindow": window.pk,
        "datasets/dataset": world.ids["private"], "datasets/version": Version.objects.latest("id").pk,
        "datasets/upload": upload.pk, "queue/job": world.ids["ended"],
        "bundles/trainedmodel": world.ids["model"], "bundles/bundle": world.ids["bundle"],
    }  # fmt: skip


def made_world() -> World:
    """Everything, in the database that is open."""
    live.connection().flushdb()
    members = _cast(_make_member)
    made = World(members, *_keys(members))
    versions = _datasets(made)
    _work(made, versions[Visibility.PRIVATE])
    _stewarded(made)
    return made


def _make_member(name: str, *, steward: bool = False) -> Member:
    member: Member = Member.objects.create_user(
        username=name, password="correct horse battery", is_staff=steward, is_superuser=steward,
        approved_at=timezone.now(),
    )  # fmt: skip
    return member


@pytest.fixture
def world(db: None) -> World:
    return made_world()
