"""A new version of the code on an old home: with a job under way, and with a backup of the old one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.engine.training import checkpoints
from jobs.engine.training.checkpoints import Checkpoint
from jobs.engine.training.state import State
from tests.e2e.portal import ROOT, Portal, Scripter, digits_zip
from tests.operations.homes import Home

pytestmark = [pytest.mark.e2e, pytest.mark.long]
LEFT_OUT = (
    ".git",
    ".venv",
    "node_modules",
    "var",
    "tests",
    ".mypy_cache",
    ".ruff_cache",
    "__pycache__",
    "*.pyc",
)
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("queue", "{before}")]
    operations = [
        migrations.AddField("job", "mood", models.CharField(max_length=20, default="calm")),
        migrations.RunSQL("UPDATE queue_job SET mood = 'older'", migrations.RunSQL.noop),
    ]
"""


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it will be: another version, and a column more, filled by a migration."""
    root = tmp_path_factory.mktemp("code") / "tomorrow"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "', 'version = "99.', 1))
    models = root / "jobs" / "queue" / "models.py"
    field = '    mood = models.CharField(max_length=20, default="calm")\n'
    models.write_text(
        models.read_text().replace("    started_at = models", field + "    started_at = models", 1)
    )
    folder = root / "jobs" / "queue" / "migrations"
    before = max(path.stem for path in folder.glob("0*.py"))
    (folder / "0999_mood.py").write_text(MIGRATION.format(before=before))
    return root


def test_a_job_under_way_goes_on_under_the_new_code_from_its_checkpoint(
    tomorrow: Path, tmp_path: Path
) -> None:
    old = Portal(tmp_path / "home")
    old.start()
    eve = old.member("eve")
    data = eve.dataset("Digits", "image-classification", "digits.zip", digits_zip(300))
    params = {"epochs": 60, "early_stop": False}
    job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": params})
    path = f"/jobs/{job['id']}"
    eve.wait(f"{path}/metrics", lambda rows: len(rows) >= 3)
    assert old.stop() == 0

    new = Portal(old.home, port=old.port, root=tomorrow)
    new.start()
    assert "0999_mood" in new.manage("showmigrations", "queue")
    again = Scripter(new, eve.name, eve.token)
    ended = again.ended(job, timeout_s=240)
    assert ended["status"] == "succeeded", ended["message"]
    assert [attempt["end_reason"] for attempt in ended["attempts"]] == ["drained", "done"]
    steps = [row["step"] for row in again.get(f"{path}/metrics?limit=1000")]
    assert steps == sorted(set(steps))
    assert "Going on from step" in again.http.get(f"{path}/logs").text
    mood = "from jobs.queue.models import Job; print(Job.objects.get().mood)"
    assert new.manage("shell", "--no-imports", "-v", "0", "-c", mood).strip() == "older"
    assert new.stop() == 0


@pytest.mark.parametrize("made_by", [0, 2])
def test_a_checkpoint_of_another_format_is_not_read_but_begun_anew(
    made_by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the engine does then stands in tests/engine/test_going_on.py."""
    held = Checkpoint("fingerprint", State(step=7), [np.zeros(2)], [], [])
    checkpoints.write(tmp_path / "now", held)
    assert checkpoints.read(tmp_path / "now") is not None
    monkeypatch.setattr(checkpoints, "FORMAT", made_by)
    checkpoints.write(tmp_path / "other", held)
    monkeypatch.undo()
    assert checkpoints.read(tmp_path / "other") is None


def test_a_backup_of_the_old_code_becomes_one_of_the_new_and_never_back(
    tomorrow: Path, tmp_path: Path
) -> None:
    old = Home(tmp_path / "old").fill()
    old.manage("backup", str(tmp_path / "old.tar"))
    new = Home(tmp_path / "new", root=tomorrow)
    new.manage("restore", str(tmp_path / "old.tar"))
    mood = "from jobs.queue.models import Job; print({job.mood for job in Job.objects.all()})"
    assert new.shell(mood) == "{'older'}"
    assert new.blobs().keys() <= old.blobs().keys()
    new.manage("backup", str(tmp_path / "new.tar"))
    said = Home(tmp_path / "back").refused("restore", str(tmp_path / "new.tar"))
    assert "newer Gristmill (99." in said
    assert "0999_mood" in said


def test_an_unmigrated_database_is_not_backed_up(tomorrow: Path, tmp_path: Path) -> None:
    old = Home(tmp_path / "old").fill()
    said = Home(old.folder, root=tomorrow).refused("backup", str(tmp_path / "b.tar"))
    assert "manage.py migrate" in said
    assert not list(tmp_path.glob("*.tar"))
