"""run.py as people and programs use it: folders, forms of answers, a watched folder, a closed pipe."""

import configparser
import contextlib
import csv
import functools
import io
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.export.conftest import WAV, Built, run_py
from tests.export.standins import LITERT, OPENCV, run_beside

pytestmark = pytest.mark.train


@functools.cache
def images() -> Any:
    from sklearn.datasets import load_digits  # only where digits are needed

    return load_digits().images


def digit(path: Path, number: int = 0) -> Path:
    """One of the handwritten digits, as a PNG."""
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray((images()[number] * 15.9).astype("uint8")).save(path, "PNG")
    return path


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three digits in folders of folders, and what is no picture of ours."""
    home = tmp_path / "camera"
    for number, name in enumerate(("b.png", "a/2.PNG", "a/deep/1.png", ".thumbnails/t.png", "a/.half.png")):
        digit(home / name, number)
    (home / "note.md").write_text("no picture")
    (home / "again").symlink_to(home / "a")
    return home


def test_a_folder_is_looked_through_and_the_likeliest_are_told(digits: Built, folder: Path) -> None:
    done = run_py(digits.bundle, "--json", "--top", 3, folder)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    found = answers(done.stdout)
    assert [line["input"] for line in found] == [
        str(folder / name) for name in ("a/2.PNG", "a/deep/1.png", "b.png")
    ]
    for line in found:
        assert list(line["scores"].values()) == sorted(line["scores"].values(), reverse=True)
        assert len(line["scores"]) == 3
        assert next(iter(line["scores"])) == line["label"]
    said = run_py(digits.bundle, "--top", 2, folder / "b.png").stdout
    assert said.count("%)") == 2


def test_answers_as_a_table(digits: Built, folder: Path) -> None:
    done = run_py(digits.bundle, "--csv", "--top", 2, folder)
    head, *rows = csv.reader(io.StringIO(done.stdout))
    assert head == ["input", "label", "confidence", "label_2", "confidence_2"]
    found = answers(run_py(digits.bundle, "--json", folder).stdout)
    assert [(row[0], row[1], float(row[2])) for row in rows] == [
        (line["input"], line["label"], line["confidence"]) for line in found
    ]
    assert [float(row[4]) for row in rows] == [sorted(line["scores"].values())[-2] for line in found]


def test_what_is_no_picture_is_called_by_its_name(digits: Built, tmp_path: Path) -> None:
    contents = {
        "bark.wav": WAV, "bark.mp3": b"\xff\xfb\x90", "hen.heic": b"\0\0\0\x18ftypheic", "x.csv": b"a,b\n1,2\n",
        "empty.png": b"",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "bare").mkdir()
    good = digit(tmp_path / "good\x1b[31m.png")
    done = run_py(digits.bundle, *(tmp_path / name for name in contents), tmp_path / "bare", good)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/good?[31m.png: ")
    for sentence in (
        "bark.wav: this is a sound; this model takes pictures",
        "bark.mp3: this is a sound; this model takes pictures",
        "hen.heic: this is a HEIC picture (save it as JPEG)",
        "x.csv: this is a table; this model takes pictures",
        "empty.png: not a picture that can be read",
        "bare: no file in this folder ends in .jpg",
    ):
        assert sentence in done.stderr
    assert "Traceback" not in done.stderr


class Watching:
    """`run.py --watch`, running."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.program = subprocess.Popen(
            [sys.executable, "-I", bundle / "run.py", "--watch", folder, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.program.stderr is not None
        assert self.program.stdout is not None
        self.said = ""
        while "Watching" not in self.said:
            self.said = self.program.stderr.readline()
            assert self.program.poll() is None, self.said

    def answer(self) -> str:
        """The file that is answered next."""
        assert self.program.stdout is not None
        return Path(json.loads(self.program.stdout.readline())["input"]).name

    def end(self, by: signal.Signals) -> list[str]:
        """The files that were answered since."""
        self.program.send_signal(by)
        rest, error = self.program.communicate(timeout=10)
        assert "Traceback" not in error
        return [Path(line["input"]).name for line in answers(rest)]


@contextlib.contextmanager
def watching(bundle: Path, folder: Path) -> Iterator[Watching]:
    watched = Watching(bundle, folder)
    try:
        yield watched
    finally:
        watched.program.kill()
        watched.program.wait()


def test_watching_goes_on_after_a_kill(digits: Built, folder: Path) -> None:
    with watching(digits.bundle, folder) as watched:
        assert "left alone" in watched.said
        (folder / "words.md").write_text("no picture")
        digit(folder / "a" / "new.png", 7)
        assert watched.answer() == "new.png"
        (journal,) = folder.glob(".gristmill-*.jsonl")
        while '"a/new.png"' not in journal.read_text():  # killed before, it would answer it again
            time.sleep(0.05)
        assert watched.end(signal.SIGKILL) == []
    with journal.open("a") as stream:
        stream.write('["a/cut off')  # as a kill in the middle of a line leaves it
    digit(folder / "meanwhile.png", 8)
    digit(folder / "b.png", 9)  # another picture under an old name
    with watching(digits.bundle, folder) as watched:
        assert "going on" in watched.said
        assert {watched.answer(), watched.answer()} == {"b.png", "meanwhile.png"}
        digit(folder / "last.png", 3)
        assert watched.answer() == "last.png"
        assert watched.end(signal.SIGINT) == []
        assert watched.program.returncode == 0
    kept = [json.loads(line)[0] for line in journal.read_text().splitlines()]
    assert set(kept) == {"a/2.PNG", "a/deep/1.png", "a/new.png", "b.png", "last.png", "meanwhile.png"}


def test_the_systemd_unit_in_the_readme(digits: Built, tmp_path: Path) -> None:
    """What it writes as typed, and what it starts; systemd itself is not there."""
    home, bundle = tmp_path / "my home", shutil.copytree(digits.bundle, tmp_path / "my bundle")
    python = home / "gristmill" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -s "$@"\n')
    python.chmod(0o755)
    [typed] = re.findall(r"```sh\n(.*?END\n)systemctl", (bundle / "README.md").read_text(), re.DOTALL)
    subprocess.run(
        ["/bin/sh", "-e", "-c", typed], cwd=bundle, env={**os.environ, "HOME": str(home)}, check=True
    )
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(home / ".config" / "systemd" / "user" / "gristmill.service")
    how, answered = unit["Service"]["StandardOutput"].split(":", 1)
    assert (how, answered) == ("append", str(home / "answers.jsonl"))
    with Path(answered).open("a") as out:
        service = subprocess.Popen(
            shlex.split(unit["Service"]["ExecStart"]), stdout=out, stderr=subprocess.PIPE, text=True
        )
    try:
        assert service.stderr is not None
        while "Watching" not in service.stderr.readline():
            assert service.poll() is None
        digit(home / "new" / "seven.png", 7)
        until = time.monotonic() + 30
        while not Path(answered).read_text():
            assert time.monotonic() < until
            time.sleep(0.1)
        service.send_signal(signal.SIGTERM)  # as systemd stops it
        assert service.wait(timeout=10) == 0
    finally:
        service.kill()
        service.communicate()
    [found] = answers(Path(answered).read_text())
    assert found["input"] == str(home / "new" / "seven.png")


def test_a_file_is_answered_once_nobody_writes_it_any_more(digits: Built, tmp_path: Path) -> None:
    content = digit(tmp_path / "elsewhere" / "x.png").read_bytes()
    new = tmp_path / "new"
    new.mkdir()
    with watching(digits.bundle, new) as watched:
        with (new / "slow.png").open("wb", buffering=0) as stream:
            stream.write(content[:60])
            time.sleep(2.0)  # far longer than between two looks
            stream.write(content[60:])
            shutil.copy(tmp_path / "elsewhere" / "x.png", new / "quick.png")
            assert watched.answer() == "quick.png"
        assert watched.answer() == "slow.png"
        assert watched.end(signal.SIGINT) == []


def test_where_the_journal_cannot_be_kept_it_says_so(digits: Built) -> None:
    watched = subprocess.Popen(
        [sys.executable, "-I", digits.bundle / "run.py", "--watch", "/proc/self/fdinfo"],  # takes no files
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert watched.stderr is not None
        lines = [watched.stderr.readline()]
        while "After a restart it will not know" not in lines[-1]:
            lines.append(watched.stderr.readline())
            assert watched.poll() is None, lines
    finally:
        watched.kill()
        watched.communicate()


def unread(argv: list[str], **more: Any) -> "subprocess.CompletedProcess[str]":
    """A program into whose pipe it is told that nobody reads, from its first line on."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, **more)
    finally:
        os.close(writer)


@pytest.mark.parametrize("asked", ["", "--json", "--csv", "--selftest", "--benchmark"])
def test_nobody_reads_the_answers(digits: Built, folder: Path, asked: str) -> None:
    inputs = [asked] if asked in {"--selftest", "--benchmark"} else [*filter(None, [asked]), str(folder)]
    done = unread([sys.executable, "-I", str(digits.bundle / "run.py"), *inputs])
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (141, False, False)


def test_nobody_reads_what_a_watched_folder_or_a_camera_shows(digits: Built, tmp_path: Path) -> None:
    np.save(tmp_path / "frame.npy", np.zeros((48, 48, 3), np.uint8))
    (tmp_path / "cv2.py").write_text(OPENCV.replace("{frame!r}", repr(str(tmp_path / "frame.npy"))))
    python = [sys.executable, "-s", str(digits.bundle / "run.py")]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    camera = unread([*python, "--camera", "film.avi", "--interval", "0"], env=env)
    assert (camera.returncode, "Broken" in camera.stderr) == (141, False)
    (tmp_path / "new").mkdir()
    digit(tmp_path / "new" / "old.png")
    with watching(digits.bundle, tmp_path / "new") as watched:
        while not list((tmp_path / "new").glob(".gristmill-*.jsonl")):
            time.sleep(0.05)
        watched.end(signal.SIGINT)
    digit(tmp_path / "new" / "x.png")
    folder = unread([*python, "--watch", str(tmp_path / "new")])
    assert (folder.returncode, "Broken" in folder.stderr) == (141, False)
    (journal,) = (tmp_path / "new").glob(".gristmill-*.jsonl")
    assert '"x.png"' not in journal.read_text()  # nobody saw its answer


def test_benchmark(digits: Built) -> None:
    found = json.loads(run_py(digits.bundle, "--benchmark", "--json", "--threads", 1).stdout)
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert found["p50_ms"] < found["load_ms"] < found["cold_start_ms"]
    assert (found["variant"], found["threads"]) == ("int8", 1)
    assert found["runs"] >= 100
    assert 20e6 < found["peak_ram_bytes"] < 1e9
    for key in found:
        assert f"`{key}`" in (digits.bundle / "README.md").read_text()
    said = runpy.run_path(str(digits.bundle / "checks.py"))["in_words"](found)
    assert "cold start:" in said
    assert "memory, at its peak:" in said


def test_a_runtime_that_fails_at_an_input(digits: Built, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(LITERT)
    done = run_beside(digits, tmp_path, folder)
    said = "this runtime fails to run the model: Node number 3 (CONV_2D) failed to invoke."
    names = ("a/2.PNG", "a/deep/1.png", "b.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [f"{folder / name}: {said}" for name in names]
    for check in ("--selftest", "--benchmark"):
        done = run_beside(digits, tmp_path, check)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert said in done.stderr
