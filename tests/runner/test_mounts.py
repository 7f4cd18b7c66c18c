"""Inside and outside names, and what a hostile program may not make of them."""

import os
from pathlib import Path

import pytest

from jobs.runner.mounts import Mounts, OutsideError, plain_file


@pytest.fixture
def mounts(tmp_path: Path) -> Mounts:
    for name in ("in", "out", "blobs"):
        (tmp_path / name).mkdir()
    (tmp_path / "blobs" / "b").write_text("blob")
    return Mounts(
        read_only={tmp_path / "in": "/job/in", tmp_path / "blobs" / "b": "/job/in/upload"},
        writable={tmp_path / "out": "/job/out"},
    )


def test_translates_whole_paths_only_longest_first(mounts: Mounts, tmp_path: Path) -> None:
    task = {"data": "/job/in", "files": ["/job/in/upload", "/job/in/other"], "name": "/job/input", "n": 1}
    assert mounts.translated(task) == {
        "data": str(tmp_path / "in"),
        "files": [str(tmp_path / "blobs" / "b"), str(tmp_path / "in" / "other")],
        "name": "/job/input",
        "n": 1,
    }


def test_finds_what_the_program_wrote_by_either_name(mounts: Mounts, tmp_path: Path) -> None:
    made = tmp_path / "out" / "a" / "made"
    made.parent.mkdir()
    made.write_text("x")
    assert mounts.outside("/job/out/a/made") == made
    assert mounts.outside(str(made)) == made


@pytest.mark.parametrize(
    "name",
    ["/job/out/../in/x", "/job/out/link", "/job/out/way/passwd", "/job/in/upload", "/etc/passwd", "/job/out/",
     "/job/out/pipe", "/job/out/none", "made", "", "/job/out/a\0b", "/job/outer/x"],
)  # fmt: skip
def test_nothing_else(mounts: Mounts, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    (out / "link").symlink_to("/etc/passwd")
    (out / "way").symlink_to("/etc")
    os.mkfifo(out / "pipe")
    with pytest.raises(OutsideError):
        mounts.outside(name)


def test_a_plain_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert plain_file(tmp_path, "x") == tmp_path / "x"
    for name in ("../x", "/x", ".", ""):
        with pytest.raises(OutsideError):
            plain_file(tmp_path, name)


@pytest.mark.parametrize("inside", ["job", "/", "/job/../etc", "/job/", ""])
def test_inside_names_are_absolute_and_straight(tmp_path: Path, inside: str) -> None:
    with pytest.raises(ValueError, match="inside path"):
        Mounts(read_only={tmp_path: inside})
