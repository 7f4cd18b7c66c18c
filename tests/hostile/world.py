"""`python -m tests.hostile.world`: fills the portal of this environment with hostile texts wherever a text is kept.

Rows are written past the rooms' own cleaning. Prints, as JSON, who may sign in and where the texts are shown.
"""

import json
import sys
from typing import Any

import django

django.setup()

from django.contrib.admin.models import CHANGE, LogEntry  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from hardware.nodes.models import Accelerator, Node  # noqa: E402
from jobs.bundles import explanations  # noqa: E402
from jobs.bundles.models import Bundle, TrainedModel  # noqa: E402
from jobs.datasets.models import Dataset, Upload, Version, VersionFile, VersionState  # noqa: E402
from jobs.queue.lifecycle import group_of  # noqa: E402
from jobs.queue.models import Attempt, Job, JobEvent, LogChunk, Metric  # noqa: E402
from jobs.queue.reasons import EndReason, Status  # noqa: E402
from portal.core import live, storage  # noqa: E402
from portal.members.models import ApiToken, AuditEntry, Invitation, Member, Team  # noqa: E402
from tests.bundles.explained import explained  # noqa: E402
from tests.hostile.payloads import PAYLOADS, grouped  # noqa: E402

WIDTH = 110


def report_of(text: str) -> dict[str, Any]:
    column = {
        "name": text,
        "type": text[:20],
        "role": "feature",
        "missing": 1,
        "categories": [text],
        "note": text,
    }
    return {
        "samples": 6,
        "classes": {text: 3, "dog": 3},
        "splits": {"train": 4, "validation": 1, "test": 1},
        "columns": [column, {**column, "type": "ignored", "role": "ignored", "reason": text}],
        "skipped": [{"file": text, "reason": text}],
        "skipped_total": 1,
    }


def measured(text: str) -> dict[str, Any]:
    rows = [{"label": text, "precision": 0.6, "recall": 1.0, "f1": 0.8, "support": 2}]
    test = {
        "accuracy": 0.7,
        "macro_f1": 0.7,
        "confusion_matrix": [[2, 0], [1, 1]],
        "per_class": rows,
        text: text,
    }
    return {
        "task": text,
        "labels": [text, "dog"],
        "samples": {"test": 4},
        "metrics": {"test": test},
        "explanations": [
            *explanations.without_pictures(explained(text)),
            {"rules": [text], text: text},
            text,
        ],
        "mistakes": [{"sample": text, "said": text, "is": "dog"}],
        "columns": [text],
    }


def machine(number: int, text: str) -> Node:
    node = Node.objects.create(
        name=f"{number} {text}"[:120],
        key_sha256=str(number),
        last_seen_at=timezone.now(),
        probe={"cpu": {"model": text}, "os": text, text: text, "toolchains": {text: text}},
        sandbox={"level": text, "missing": [text], text: text},
        load={text: text},
        trouble=text,
    )
    Accelerator.objects.create(node=node, kind="cpu", model=text, memory_bytes=2**30)
    return node


def dataset_of(owner: Member, team: Team, text: str) -> Dataset:
    dataset = Dataset.objects.create(
        owner=owner, name=text, task="image-classification", description=text, label_column=text,
        visibility="team", team=team,
    )  # fmt: skip
    blob = storage.put_bytes(text.encode())
    preview = {"columns": report_of(text)["columns"], "rows": [[text, text]] * 3}
    for number, state in enumerate((VersionState.READY, VersionState.REJECTED, VersionState.VALIDATING), 1):
        version = Version.objects.create(
            dataset=dataset, number=number, state=state, filename=text, label_column=text, upload=blob,
            code="odd", reason=text if state == VersionState.REJECTED else "",
            report=report_of(text) if state == VersionState.READY else {},
        )  # fmt: skip
        VersionFile.objects.create(
            version=version, name="preview.json", blob=storage.put_bytes(json.dumps(preview).encode())
        )
    Upload.objects.create(
        owner=owner, dataset=dataset, filename=text, label_column=text, metadata=text, length=9,
        expires_at=timezone.now() + timezone.timedelta(days=1),
    )  # fmt: skip
    return dataset


def job_of(owner: Member, dataset: Dataset, node: Node, text: str, status: Status) -> Job:
    job = Job.objects.create(
        owner=owner, kind="train", name=text, status=status, message=text, recipe="image-classifier", dataset=dataset,
        version=dataset.versions.get(number=1), metrics={text: 1.0, "loss": 0.5}, position={"phase": text},
        spec={"params": {text: text, "colour": text}, "resources": {"accelerator": text}, "targets": [text]},
        end_reason=EndReason.CRASHED if status == Status.FAILED else "",
    )  # fmt: skip
    JobEvent.objects.create(job=job, old="", new=Status.QUEUED, sentence=text, reason=text[:20])
    LogChunk.objects.create(job=job, offset=0, size=len(text.encode()), text=text)
    for step in (1, 2, 3):
        Metric.objects.create(job=job, step=step, epoch=step, values={"loss": 1 / step, text[:60]: step})
    Attempt.objects.create(job=job, number=1, node=node, node_name=text, accelerator_kind="cpu")
    return job


def model_of(job: Job, text: str) -> None:
    model = TrainedModel.objects.create(
        owner=job.owner, job=job, dataset=job.dataset, version=job.version, name=text, labels=[text, "dog"],
        report=measured(text), keras=storage.put_bytes(b"weights"), reason=text,
        report_file=storage.put_bytes(json.dumps({"explanations": explained(text)}).encode()),
    )  # fmt: skip
    for target, state in (("raspberry-pi-4", "ready"), (text[:60], "failed")):
        Bundle.objects.create(
            model=model, target=target, options={text: text}, options_sha256=target[:64], state=state, reason=text,
            metrics={"accuracy": 0.9, text: text}, signature=text,
            zip=storage.put_bytes(b"zip") if state == "ready" else None,
        )  # fmt: skip


def brought_of(owner: Member, dataset: Dataset, node: Node, text: str) -> Job:
    """A model of somebody's own, taken in with notes, and the job that did it."""
    job = job_of(owner, dataset, node, text, Status.SUCCEEDED)
    Job.objects.filter(pk=job.pk).update(kind="import")
    TrainedModel.objects.create(
        owner=owner, job=job, name=text, labels=[text, "dog"], keras=storage.put_bytes(b"weights"), reason=text,
        report={**measured(text), "origin": text, "notes": [text]},
    )  # fmt: skip
    return job


def person(name: str, *, steward: bool = False, approved: bool = True) -> Member:
    return Member.objects.create_user(
        username=name, first_name=name, last_name=name, email=f"{name[:40]}@example.org", password="x", about=name,
        is_staff=steward, is_superuser=steward, approved_at=timezone.now() if approved else None,
    )  # fmt: skip


def session_of(member: Member) -> str:
    client = Client()
    client.force_login(member, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client.cookies["sessionid"].value


def fill(steward: Member, number: int, text: str) -> list[str]:
    """One of everything with this text; the pages of members where it is shown."""
    odd = person(text)
    person(f"waiting {number} {text}"[:150], approved=False)
    team = Team.objects.create(name=f"{number} {text}"[:80])
    team.members.add(steward, odd)
    ApiToken.objects.create(user=odd, name=text[:80])
    ApiToken.objects.create(user=steward, name=text[:80])
    Invitation.objects.create(
        secret_sha256=str(number),
        note=text,
        created_by=steward,
        expires_at=timezone.now() + timezone.timedelta(days=1),
    )
    AuditEntry.objects.create(actor=odd, action=text[:60], subject=text, detail={text: text})
    content = ContentType.objects.get_for_model(Team)
    LogEntry.objects.create(
        user=steward,
        content_type=content,
        object_id=team.pk,
        object_repr=text,
        action_flag=CHANGE,
        change_message=text,
    )
    node = machine(number, text)
    dataset = dataset_of(steward, team, text)
    ended = job_of(steward, dataset, node, text, Status.SUCCEEDED)
    failed = job_of(steward, dataset, node, text, Status.FAILED)
    model_of(ended, text)
    brought = brought_of(steward, dataset, node, text)
    jobs = [f"/jobs/{job.pk}" for job in (ended, failed, brought)]
    return [
        f"/datasets/{dataset.pk}",
        *jobs,
        f"/datasets/{dataset.pk}/versions/new",
        f"/jobs/new?dataset={dataset.pk}",
        "/models/new",
    ]


def admin_pages() -> list[str]:
    """Lists of every registered model, and the pages of the newest of each."""
    from django.contrib import admin

    pages = [reverse("admin:index")]
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{base}_changelist"))
        for row in model._default_manager.order_by("-pk")[:3]:
            pages += [reverse(f"{base}_{page}", args=[row.pk]) for page in ("change", "delete", "history")]
    return pages


def say(job: Job) -> None:
    """What a running job would say, in every payload: rows as the engine's are kept, and messages to who watches."""
    offset = max(chunk.offset + chunk.size for chunk in job.log_chunks.all())
    for number, payload in enumerate(PAYLOADS):
        line = f"line {number}: {payload}\n"
        LogChunk.objects.create(job=job, offset=offset, size=len(line.encode()), text=line)
        offset += len(line.encode())
        values = {"loss": 0.1, payload: 0.5, f"val_{payload}": 0.6, "__proto__": 1.0, "constructor": 2.0}
        Metric.objects.create(job=job, step=10 + number, epoch=10 + number, values=values)
        Job.objects.filter(pk=job.pk).update(metrics=values, position={"phase": payload})
        for message in (
            {
                "type": "progress",
                "progress": 0.5,
                "phase": payload,
                "step": payload,
                "steps": payload,
                "epochs": payload,
            },
            {"type": "metric", "step": 10 + number, "values": values},
            {"type": "log", "offset": offset, "text": payload},
            {"type": "status", "status": payload, "reason": payload, "sentence": payload},
            {"type": payload},
        ):
            live.publish(group_of(job.pk), message)


def main() -> None:
    if sys.argv[1:2] == ["say"]:
        say(Job.objects.get(pk=sys.argv[2]))
        return
    texts = grouped(WIDTH)
    steward = person("cora", steward=True)
    pages = [page for number, text in enumerate(texts) for page in fill(steward, number, text)]
    odd = Member.objects.get(username=texts[1])
    newest = Dataset.objects.order_by("-pk").first()
    assert newest is not None
    live = job_of(steward, newest, Node.objects.all()[0], texts[1], Status.RUNNING)
    said = {
        "steward": session_of(steward),
        "odd": session_of(odd),
        "pages": pages,
        "admin": admin_pages(),
        "live": live.pk,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
