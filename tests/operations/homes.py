"""Small homes to back up and restore, without a portal that runs."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.portal import ROOT, Portal

FILL = """
from django.utils import timezone
from datetime import timedelta
from hardware.nodes.models import Accelerator, Node
from jobs.bundles.keys import signing_key
from jobs.datasets.models import Dataset, Version
from jobs.queue import lifecycle
from jobs.queue.models import Job, Metric
from portal.core import storage
from portal.members.models import ApiToken, Member, Team
signing_key()
ann = Member.objects.create_user("ann", "ann@example.org", "a long enough password", approved_at=timezone.now())
Team.objects.create(name="Bäume “und” Blätter\\n🌳").members.add(ann)
ApiToken.objects.create(user=ann, name="laptop")
data = Dataset.objects.create(owner=ann, name="Leaves", task="image-classification")
for number in range(1, 4):
    blob = storage.put_bytes(b"upload %d" % number * 100_000)
    report = {"samples": 3, "nothing": None}
    Version.objects.create(dataset=data, number=number, state="ready", filename="x", upload=blob, report=report)
storage.put_bytes(b"nothing refers to this")
node = Node.objects.create(name="mill-1", key_sha256="0" * 64)
cpu = Accelerator.objects.create(node=node, kind="cpu")
checkpoint = storage.put_bytes(b"checkpoint" * 1000)
job = Job.objects.create(owner=ann, kind="train", name="runs", dataset=data, checkpoint=checkpoint, checkpoint_step=7)
held = lifecycle.claim(lifecycle.begin(job, node=node, accelerators=[cpu]).pk, holder="x")
lifecycle.started(held)
Metric.objects.create(job=job, step=7, values={"loss": 0.1 + 0.2})
Job.objects.create(owner=ann, kind="train", name="waits", created_at=timezone.now() - timedelta(days=1))
"""


@dataclass
class Home:
    """A home folder and its database, used from the command line."""

    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT  # whose code runs

    def try_manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        env = Portal(self.folder, port=1, extra=self.extra).env
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.root, env=env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def manage(self, *arguments: str) -> str:
        done = self.try_manage(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *arguments: str) -> str:
        """What it says while it refuses."""
        done = self.try_manage(*arguments)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def shell(self, code: str) -> str:
        """What the code prints."""
        done = self.try_manage("shell", "--no-imports", "-v", "0", "-c", code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def fill(self) -> "Home":
        """Migrate, and make a member with a team, data, a token, a job that runs and one that waits."""
        self.manage("migrate", "-v", "0")
        self.shell(FILL)
        return self

    def blobs(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "blobs").glob("??/*")}
