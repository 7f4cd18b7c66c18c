"""Backups: one moment of everything, whole or not at all, put back only where nothing is."""

import gzip
import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.utils import timezone

from portal.core import freeze, storage
from portal.core.models import Blob, Lease
from portal.kit.errors import UserError
from portal.site.backup import reading
from tests.e2e.portal import ROOT, Portal
from tests.operations.homes import Home
from tests.postgres import cluster, program

pytestmark = pytest.mark.long

Tables = dict[str, list[Any]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home") / "var").fill()


@pytest.fixture(scope="module")
def made(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backups") / "mill.tar"
    assert "4 blobs" in home.manage("backup", str(file))
    return file


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    return Home(tmp_path / "fresh")


def parts(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def packed(found: dict[str, bytes], file: Path) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, content in found.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def tables(file: Path) -> Tables:
    found = {}
    for name, content in parts(file).items():
        if name.startswith("database/"):
            found[name.split("/")[1]] = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    return found


def settled(found: Tables) -> Tables:
    """Without what a restore changes: leases, and the attempt that ran."""
    changed = {"core_lease", "queue_attempt", "queue_job", "queue_jobevent", "ledger_ledgerentry"}
    return {name: rows for name, rows in found.items() if not any(name.startswith(word) for word in changed)}


def test_what_is_restored_is_what_was_there(home: Home, made: Path, fresh: Home, tmp_path: Path) -> None:
    said = fresh.manage("restore", str(made))
    assert "Restored" in said
    used = {name for name in home.blobs() if b"nothing refers" not in home.blobs()[name]}
    assert set(fresh.blobs()) == used
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in fresh.blobs().items())
    for secret in (home.folder / "secrets").iterdir():
        copy = fresh.folder / "secrets" / secret.name
        assert copy.read_bytes() == secret.read_bytes()
        assert copy.stat().st_mode & 0o777 == 0o600
    fresh.manage("backup", str(tmp_path / "again.tar"))
    assert settled(tables(tmp_path / "again.tar")) == settled(tables(made))
    assert not (fresh.folder / "restoring").exists()


def test_what_ran_goes_on_from_its_checkpoint_and_the_loss_does_not_count(made: Path, fresh: Home) -> None:
    fresh.manage("restore", str(made))
    code = (
        "from jobs.queue.models import *; from jobs.queue import lifecycle\n"
        "job = Job.objects.get(name='runs'); print(job.status, job.checkpoint_step, job.attempts.get().end_reason)\n"
        "node = job.attempts.get().node\n"
        "for n in range(2):\n"
        "    a = lifecycle.begin(job, node=node, accelerators=list(node.accelerators.all()))\n"
        "    held = lifecycle.claim(a.pk, holder='x'); lifecycle.started(held)\n"
        "    lifecycle.end(held, EndReason.NODE_LOST)\n"
        "    job.refresh_from_db(); print(job.status)\n"
    )
    assert fresh.shell(code).splitlines() == ["queued 7 node_lost", "queued", "failed"]


def test_new_rows_are_numbered_on(made: Path, fresh: Home) -> None:
    fresh.manage("restore", str(made))
    fresh.shell(
        "from jobs.queue.models import *; Metric.objects.create(job=Job.objects.first(), step=9, values={})"
    )


def test_a_backup_is_for_its_owner_alone_and_says_what_it_holds(home: Home, tmp_path: Path) -> None:
    said = home.manage("backup", str(tmp_path / "b.tar"))
    assert "keys" in said
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def test_without_secrets_none_is_in_it_and_the_restore_says_so(
    home: Home, fresh: Home, tmp_path: Path
) -> None:
    home.manage("backup", "--no-secrets", str(tmp_path / "b.tar"))
    assert not any(name.startswith("secrets/") for name in parts(tmp_path / "b.tar"))
    assert "node-key" in fresh.manage("restore", str(tmp_path / "b.tar"))


def test_through_a_pipe(home: Home, fresh: Home, tmp_path: Path) -> None:
    env = Portal(home.folder, port=1).env
    back = Portal(fresh.folder, port=1).env
    command = [sys.executable, "manage.py"]
    with subprocess.Popen([*command, "backup", "-"], cwd=ROOT, env=env, stdout=subprocess.PIPE) as backup:
        done = subprocess.run(
            [*command, "restore", "-"],
            cwd=ROOT,
            env=back,
            stdin=backup.stdout,
            capture_output=True,
            text=True,
        )
    assert (backup.returncode, done.returncode) == (0, 0), done.stderr
    assert len(fresh.blobs()) == 4


def test_blobs_beside_are_copied_once_for_many_backups(home: Home, fresh: Home, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    home.manage("backup", "--blobs-to", str(folder), str(tmp_path / "monday.tar"))
    times = {path: path.stat().st_mtime_ns for path in folder.glob("??/*")}
    home.manage("backup", "--blobs-to", str(folder), str(tmp_path / "tuesday.tar"))
    assert {path: path.stat().st_mtime_ns for path in folder.glob("??/*")} == times
    assert len(times) == 4
    assert "--blobs-from" in fresh.refused("restore", str(tmp_path / "tuesday.tar"))
    fresh.manage("restore", "--blobs-from", str(folder), str(tmp_path / "tuesday.tar"))
    assert len(fresh.blobs()) == len(times) == len(list(folder.glob("??/*")))


def test_a_blob_beside_that_was_changed_is_found(home: Home, fresh: Home, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    home.manage("backup", "--blobs-to", str(folder), str(tmp_path / "b.tar"))
    victim = next(iter(folder.glob("??/*")))
    victim.write_bytes(b"!" * victim.stat().st_size)
    assert victim.name in fresh.refused("restore", "--blobs-from", str(folder), str(tmp_path / "b.tar"))
    assert fresh.blobs() == {}


# -- What is damaged, wrong or in the way -----------------------------------------------------------------------------


def test_what_is_damaged_is_refused_and_nothing_is_touched(made: Path, fresh: Home, tmp_path: Path) -> None:
    whole, found = made.read_bytes(), parts(made)
    blob = next(name for name in found if name.startswith("blobs/"))
    table = "database/queue_job.jsonl.gz"
    ways = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no backup at all\n" * 100,
        "blob": packed({**found, blob: b"x" + found[blob][1:]}, tmp_path / "1").read_bytes(),
        "table": packed({**found, table: gzip.compress(b"[]\n")}, tmp_path / "2").read_bytes(),
        "less": packed({k: v for k, v in found.items() if k != blob}, tmp_path / "3").read_bytes(),
        "no end": packed(
            {k: v for k, v in found.items() if k != "manifest.json"}, tmp_path / "4"
        ).read_bytes(),
        "more": packed({**found, "../outside": b"x"}, tmp_path / "5").read_bytes(),
        "other": packed({"README": b"x", **found}, tmp_path / "6").read_bytes(),
    }
    for way, content in ways.items():
        (tmp_path / "bad.tar").write_bytes(content)
        said = fresh.refused("restore", str(tmp_path / "bad.tar"))
        assert "damaged" in said or "not a backup" in said, way
    assert not (tmp_path / "outside").exists()
    assert fresh.blobs() == {}
    assert not (fresh.folder / "restoring").exists()
    fresh.manage("restore", str(made))


def test_a_blob_that_was_written_wrong_is_found_before_the_backup_gets_its_name(
    made: Path, tmp_path: Path
) -> None:
    """What `manage.py backup` asks of the file that it wrote."""
    found = parts(made)
    blob = next(name for name in found if name.startswith("blobs/"))
    bad = packed({**found, blob: b"x" + found[blob][1:]}, tmp_path / "bad")
    with bad.open("rb") as file, pytest.raises(UserError, match=blob):
        reading.read(file)
    with made.open("rb") as file:
        assert reading.read(file).manifest.blobs == 4


def test_a_home_in_use_is_left_alone(home: Home, made: Path, fresh: Home) -> None:
    said = home.refused("restore", str(made))
    assert "database" in said
    (fresh.folder / "secrets").mkdir(parents=True)
    (fresh.folder / "secrets" / "signing-key").write_bytes(b"mine")
    assert "secrets" in fresh.refused("restore", str(made))
    assert (fresh.folder / "secrets" / "signing-key").read_bytes() == b"mine"


def with_head(made: Path, file: Path, **changes: Any) -> Path:
    found = parts(made)
    head = {**json.loads(found["head.json"]), **changes}
    return packed({**found, "head.json": json.dumps(head).encode()}, file)


def test_a_backup_of_a_newer_code_is_refused_in_words(made: Path, fresh: Home, tmp_path: Path) -> None:
    assert "newer" in fresh.refused("restore", str(with_head(made, tmp_path / "1", format=2)))
    migrations = [*json.loads(parts(made)["head.json"])["migrations"], ["queue", "0999_of_tomorrow"]]
    said = fresh.refused("restore", str(with_head(made, tmp_path / "2", migrations=migrations)))
    assert "newer" in said
    assert "0999_of_tomorrow" in said


def test_a_blob_that_the_store_has_lost_is_named(home: Home, fresh: Home, tmp_path: Path) -> None:
    broken = Home(tmp_path / "broken")
    shutil.copytree(home.folder, broken.folder)
    changed, gone = sorted(
        path for path in (broken.folder / "blobs").glob("??/*") if path.stat().st_size > 50
    )[:2]
    changed.chmod(0o600)
    changed.write_bytes(b"?" * changed.stat().st_size)
    gone.unlink()
    file = tmp_path / "b.tar"
    assert changed.name in broken.refused("backup", str(file))
    assert not list(tmp_path.glob("*b.tar*"))
    said = broken.manage("backup", "--skip-damaged", str(file))
    assert changed.name in said
    assert gone.name in said
    fresh.manage("restore", str(file))
    assert len(fresh.blobs()) == 2


def test_a_killed_backup_leaves_nothing_under_its_name(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"last week's")
    env = Portal(home.folder, port=1).env
    backup = subprocess.Popen(
        [sys.executable, "manage.py", "backup", str(tmp_path / "b.tar")],
        cwd=ROOT, env=env, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while backup.poll() is None and not list(tmp_path.glob(".b.tar.*")):
        time.sleep(0.005)
    backup.send_signal(signal.SIGKILL)
    backup.wait()
    assert (tmp_path / "b.tar").read_bytes() == b"last week's"
    home.manage("backup", str(tmp_path / "b.tar"))  # its lease is no bar: whoever held it is gone


def test_a_restore_that_was_killed_is_told_at_every_start(made: Path, fresh: Home) -> None:
    (fresh.folder / "restoring").mkdir(parents=True)
    (fresh.folder / "restoring" / "begun").touch()
    assert "half-way" in fresh.refused("restore", str(made))
    assert "half-way" in fresh.refused("up", "--port", "1")


# -- The store while a backup runs ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_nothing_is_freed_while_a_backup_runs_and_all_of_it_after() -> None:
    blob = storage.put_bytes(b"loose")
    old = timezone.now() - timedelta(days=2)
    Blob.objects.filter(pk=blob.pk).update(created_at=old, condemned_at=old)
    with freeze.frozen():
        assert storage.free() == 0
        with pytest.raises(UserError, match="Another backup"), freeze.frozen():
            pass
    assert storage.free() == len(b"loose")


@pytest.mark.django_db(transaction=True)
def test_a_lost_freeze_is_told_to_who_copied_under_it() -> None:
    from portal.core.leases import StaleLease

    with pytest.raises(StaleLease), freeze.frozen():
        Lease.objects.filter(name=freeze.NAME).update(epoch=99)


# -- From one kind of database to another -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a server; `{}` stands for the database's name."""
    with cluster() as address:
        yield address.replace("/gristmill?", "/{}?")


def database(postgres: str, name: str) -> dict[str, str]:
    host = unquote(postgres.split("host=")[1].split("&", maxsplit=1)[0])
    subprocess.run([program("createdb"), "-h", host, "-U", "gristmill", name], check=True)
    return {"DATABASE_URL": postgres.format(name)}


def test_sqlite_to_postgresql_to_postgresql_to_sqlite(made: Path, postgres: str, tmp_path: Path) -> None:
    first = Home(tmp_path / "first", database(postgres, "first"))
    first.manage("restore", str(made))
    first.shell(
        "from jobs.queue.models import *; Metric.objects.create(job=Job.objects.first(), step=9, values={})"
    )
    first.shell("from jobs.queue.models import *; Metric.objects.filter(step=9).delete()")
    first.manage("backup", str(tmp_path / "first.tar"))
    assert settled(tables(tmp_path / "first.tar")) == settled(tables(made))
    second = Home(tmp_path / "second", database(postgres, "second"))
    second.manage("restore", str(tmp_path / "first.tar"))
    assert "database has tables" in Home(tmp_path / "third", second.extra).refused("restore", str(made))
    second.manage("backup", str(tmp_path / "second.tar"))
    last = Home(tmp_path / "last")
    last.manage("restore", str(tmp_path / "second.tar"))
    last.manage("backup", str(tmp_path / "last.tar"))
    assert settled(tables(tmp_path / "last.tar")) == settled(tables(made))
