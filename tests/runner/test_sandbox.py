"""The report is tried, in words, and says what is off."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runner import bubble, cgroups, sandbox


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")
def test_here_it_works_and_says_what_holds() -> None:
    report = sandbox.probe()
    assert report.available, report.missing
    assert "Jobs have no network." in report.enforced
    assert "Jobs see only their own folders." in report.enforced
    assert all(sentence.endswith(".") for sentence in [*report.enforced, *report.missing])


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap here")
def test_it_works_too_where_the_virtual_environment_is_a_link(tmp_path: Path) -> None:
    """Children of a warm parent, too, find Python where the portal called it."""
    shared = tmp_path / "shared"
    shared.symlink_to(Path(sys.prefix).resolve())
    program = "from jobs.runner import sandbox; r = sandbox.probe(); print(r.available, r.nested, r.missing)"
    done = subprocess.run(
        [shared / "bin" / "python", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=bubble.ROOT,
    )
    assert done.stdout.startswith(f"True {sandbox.probe().nested}"), done.stdout


def test_without_bubblewrap_it_names_the_command_and_what_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    report = sandbox.probe.__wrapped__()
    assert not report.available
    assert "apt install bubblewrap" in report.missing[0]
    assert "every file of the portal's user" in report.missing[1]
    assert "end the portal's processes" in report.missing[2]


def test_a_bubblewrap_that_fails_is_reported_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: no permission' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    report = sandbox.probe.__wrapped__()
    assert not report.available
    assert "no permission" in report.missing[0]


def test_the_environment_is_none_of_the_portals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://hush")
    assert "hush" not in str(bubble.environment())


def test_the_code_is_shown_but_not_the_folder_it_lies_in() -> None:
    shown = bubble.inside_system()
    assert str(bubble.ROOT / "jobs") in shown
    assert str(bubble.ROOT / "static" / "build") in shown  # for the pages of browser bundles
    assert str(bubble.ROOT) not in shown
    assert not any(path.endswith("/var") for path in shown)


@pytest.mark.parametrize(
    ("version", "file", "said"), [(1, "cpu.cfs_quota_us", "150000"), (2, "cpu.max", "150000 100000")]
)
def test_processors_are_held_in_either_version(tmp_path: Path, version: int, file: str, said: str) -> None:
    """On imitation files: the kernel here has one of the versions at most."""
    group = cgroups.Group(version, {"cpu": tmp_path})
    cgroups._hold_cores(group, 1.5)
    assert (tmp_path / file).read_text() == said
    cgroups._hold_cores(group, 0.001)
    assert (tmp_path / file).read_text().split()[0] == "1000", "less the kernel refuses"


@pytest.mark.parametrize(
    ("version", "files", "over", "crowded"),
    [
        (1, {"memory.oom_control": "oom_kill 0", "memory.max_usage_in_bytes": "99999999"}, False, False),
        (1, {"memory.oom_control": "oom_kill 1", "memory.max_usage_in_bytes": "99999999"}, True, False),
        (1, {"memory.oom_control": "oom_kill 1", "memory.max_usage_in_bytes": "70000000"}, False, True),
        (2, {"memory.events": "max 9\noom 0\noom_kill 0"}, False, False),
        (2, {"memory.events": "max 9\noom 1\noom_kill 2"}, True, False),
        (2, {"memory.events": "max 9\noom 0\noom_kill 1"}, False, True),
    ],
)
def test_who_was_over_its_limit_is_told_from_who_was_crowded_out(
    tmp_path: Path, version: int, files: dict[str, str], over: bool, crowded: bool
) -> None:
    """On imitation files, as the kernel's documentation has them."""
    for name, text in {"memory.limit_in_bytes": "100000000", **files}.items():
        (tmp_path / name).write_text(text + "\n")
    group = cgroups.Group(version, {"memory": tmp_path})
    assert (group.over_memory(), group.crowded_out()) == (over, crowded)


def test_gpus_are_lent_with_what_belongs_to_them(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    (tmp_path / "null").touch()
    assert bubble.gpu_devices(tmp_path) == [], "graphics alone are nothing to train on"
    (tmp_path / "nvidia-caps").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    names = ["nvidia-caps", "nvidia-uvm", "nvidia0", "nvidia1", "nvidiactl", "dri"]
    assert bubble.gpu_devices(tmp_path) == [str(tmp_path / name) for name in names]


@pytest.mark.skipif(cgroups.find() is None, reason="no cgroup can be made here")
def test_groups_are_made_limited_and_swept_away() -> None:
    hierarchy = cgroups.find()
    group = cgroups.create(hierarchy, memory_bytes=50 << 20, processes=10)
    assert hierarchy is not None
    assert group is not None
    assert all(folder.is_dir() for folder in group.folders.values())
    parent = next(iter(hierarchy.parents.values()))
    orphan = parent / f"{cgroups.PREFIX}999999999-0"
    orphan.mkdir()
    cgroups.find()
    assert not orphan.exists()
    group.remove()
    assert not any(folder.exists() for folder in group.folders.values())


def test_version_two_is_found_where_it_is_handed_down(tmp_path: Path) -> None:
    """The files of a systemd unit with Delegate=yes, where the group above the program's own limits."""
    proc, top = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    (top / "app" / "main").mkdir(parents=True)
    (proc / "cgroup").write_text("0::/app/main\n")
    (proc / "mountinfo").write_text(f"30 23 0:26 / {top} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
    (top / "app" / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (top / "app" / "main" / "cgroup.subtree_control").write_text("\n")
    found = cgroups._version2(proc)
    assert found == cgroups.Hierarchy(2, dict.fromkeys(("memory", "pids", "cpu"), top / "app"))
    assert dict(cgroups._settings(2, 5, 6)) == {
        "pids.max": 6, "memory.max": 5, "memory.swap.max": 0, "memory.oom.group": 1,
    }  # fmt: skip
