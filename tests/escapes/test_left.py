"""What a job leaves behind: processes, and an output folder that bites."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jobs.runner import disk, leftovers
from jobs.runner.mounts import OutsideError, pinned
from tests.escapes.conftest import EVERYWHERE, HERE, MARK, Hut, Run, modes
from tests.runner.conftest import eventually

FILES = "every file of the portal's user"
BEHIND = "leave processes behind"
ROOT = HERE.parents[1]
SUPERVISOR = """
import sys, time
from pathlib import Path
from jobs.runner.limits import Limits
from jobs.runner.warm import WarmParent
home, code, mark = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
warm = WarmParent(home, target="tricks:task", preload=["json", "tricks"], code=[code])
running = warm.run({"trick": "outlive", "mark": mark, "stay": True, "out": "/job/out"},
                   job_dir=home / "attempts" / "a", limits=Limits())
for event in running.events:
    if event["type"] == "staying":
        break
print("staying", flush=True)
time.sleep(60)
"""


def alive(mark: str) -> list[int]:
    return [
        process.pid for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])
    ]


def end(mark: str) -> None:
    for pid in alive(mark):
        os.kill(pid, 9)


@EVERYWHERE
def test_no_daemon_outlives_its_job(hut: Hut, run: Run) -> None:
    mark = f"57.{os.getpid()}"
    assert run("outlive", mark=mark).found["left"]
    gone = eventually(lambda: not alive(mark), within=3.0)
    end(mark)
    hut.held_or_told(gone, BEHIND)


@EVERYWHERE
def test_nor_one_that_is_ended(hut: Hut) -> None:
    mark = f"58.{os.getpid()}"
    running = hut.begin("outlive", mark=mark, stay=True)
    assert eventually(lambda: len(alive(mark)) == 2)
    running.kill()
    assert running.wait(10).killed
    gone = eventually(lambda: not alive(mark), within=3.0)
    end(mark)
    hut.held_or_told(gone, BEHIND)


@modes("whole")
def test_nor_one_whose_supervisor_is_killed_and_who_would_not_hear_of_it(hut: Hut, tmp_path: Path) -> None:
    """It has closed what would tell it, is deaf, and has asked not to die with its parent."""
    mark = f"59.{os.getpid()}"
    argv = [sys.executable, "-c", SUPERVISOR, str(tmp_path), str(HERE), mark]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"staying\n"
        assert eventually(lambda: len(alive(mark)) == 3), "the supervisor itself, the job and its daemon"
        supervisor.kill()
    gone = eventually(lambda: not alive(mark))
    end(mark)
    assert gone


@EVERYWHERE
def test_an_output_folder_full_of_traps(hut: Hut, run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(MARK, encoding="ascii")
    secret.chmod(0o600)
    job = f"litter-{id(run)}"
    out = hut.folder(job) / "out"
    made = run("litter", job=job, secret=str(secret)).found["made"]
    hut.held_or_told(made == [], FILES)
    running = hut.begin("believe", job=job)
    assert running.wait(10).ok
    traps = ["link", "way/key", "loop", "pipe", "socket", "../../bob", "closed", "hard-secret/x", "."]
    for name in traps:
        with pytest.raises(OutsideError):
            running.host_path(f"/job/out/{name}")
    assert running.host_path("/job/out/plain").read_text() == "mine"
    assert disk.size(out) < 1 << 20
    if hut.is_whole and os.geteuid() == 0:
        assert (out / "suid").stat().st_uid not in {0, os.geteuid()}, (
            "not the portal's rights to whoever starts it"
        )
    leftovers.remove(hut.folder(job))
    assert not hut.folder(job).exists()
    assert secret.read_text() == MARK


@modes("whole", "off")
def test_folders_nested_deeper_than_programs_can_follow(hut: Hut) -> None:
    ran = hut.task("nest", job="nest", depth=1200)
    assert ran.end.ok or ran.end.over_disk, ran
    assert disk.size(hut.folder("nest")) > 0
    leftovers.remove(hut.folder("nest"))
    assert not hut.folder("nest").exists()


@modes("whole", "off")
def test_a_file_that_turns_into_a_link_while_it_is_read(hut: Hut, tmp_path: Path) -> None:
    """The portal reads checkpoints of jobs that run on."""
    secret = tmp_path / "model"
    secret.write_text(MARK, encoding="ascii")
    running = hut.begin("swap", job="swap", secret=str(secret), seconds=3.0)
    assert next(event for event in running.events if event["type"] == "swapping")
    read, refused = set(), 0
    while running.pid is not None and psutil.pid_exists(running.pid) and refused < 20_000:
        try:
            with pinned(running.host_path("/job/out/sub/model")) as same:
                read.add(same.read_text(encoding="ascii"))
        except OutsideError:
            refused += 1
    assert read <= {"mine"}
    assert "mine" in read
    assert refused > 0, "there were links to be met"
    assert running.wait(10).ok


def test_leftovers_of_every_kind_go_and_others_stay(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("x", encoding="ascii")
    for make in MAKERS:
        place = tmp_path / "place"
        make(place, kept)
        leftovers.remove(place)
        assert not os.path.lexists(place), make
    leftovers.remove(tmp_path / "nothing")
    assert kept.read_text() == "x"


def _folder(place: Path, kept: Path) -> None:
    for name in ("a/b/c", "a/b/d", "e"):
        (place / name).mkdir(parents=True)
        (place / name / "file").touch()
        (place / name / "link").symlink_to(kept.parent)
    (place / "a" / "b").chmod(0)
    place.chmod(stat.S_IRUSR)


MAKERS: list[Callable[[Path, Path], None]] = [
    _folder,
    lambda place, kept: place.symlink_to(kept),
    lambda place, kept: place.symlink_to(kept.parent),
    lambda place, _kept: os.mkfifo(place),
    lambda place, _kept: place.touch(),
    lambda place, _kept: place.mkdir(),
]
