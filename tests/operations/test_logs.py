"""Log lines: about whom, without secrets, in files that turn without losing a line."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from portal.core.telemetry import logs, turning
from portal.core.telemetry.redaction import clean
from tests.e2e.portal import ROOT

SECRET = "4f0c2e9d8b7a6f5e4d3c2b1a"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Token gm_{SECRET}",
        f"headers {{'Authorization': 'Bearer {SECRET}'}}",
        f'{{"authorization": "Device {SECRET}"}}',
        f"[(b'authorization', b'Token {SECRET}')]",
        f"the token gm_{SECRET} is not valid",
        f"Not Found: /join/{SECRET}",
        f"GET /join/{SECRET}?next=/ 200",
        f"Not Found: /account/password/reset/key/4-{SECRET}/",
        f"could not connect to postgresql://mill:{SECRET}@db:5432/mill",
        f"redis://:{SECRET}@redis:6379/0 is away",
        f"connection: host=db user=mill password={SECRET} dbname=mill",
        f'{{"password": "{SECRET}"}}',
        f"Cookie: csrftoken={SECRET}; sessionid={SECRET}",
    ],
)
def test_no_secret_outlives_the_formatter(text: str) -> None:
    assert SECRET not in clean(text)
    assert SECRET not in clean(f"Traceback …\nValueError: {text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/jobs/01hzy8 200 12.5 ms",
        "attempt 01hzy8 lost its lease: its work is dropped",
        "the token is not valid",
        "see https://mill.example/jobs/01hzy8 and /join",
    ],
)
def test_the_rest_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def record(message: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("jobs.queue", logging.INFO, __file__, 1, message, (), None)
    vars(made).update(extra)
    logs.About().filter(made)
    return made


def test_a_line_tells_for_what_it_was_written_and_the_next_one_does_not() -> None:
    with logs.about(job="j1"):
        with logs.about(attempt="a1"):
            inner = logs.Line().format(record("it runs"))
        outer = logs.Line().format(record("it goes on"))
    assert inner.endswith("it runs [job=j1 attempt=a1]")
    assert outer.endswith("it goes on [job=j1]")
    assert logs.Line().format(record("nothing")).endswith("nothing")


def test_what_is_learnt_in_another_thread_of_the_same_work_is_known_here() -> None:
    with logs.about(request_id="r1"):
        thread = threading.Thread(target=logs.carried(lambda: logs.learn(member="m1")))
        thread.start()
        thread.join()
        assert "request_id=r1 member=m1" in logs.Line().format(record("x"))
    logs.learn(member="m2")  # about nothing: no harm
    assert "m2" not in logs.Line().format(record("x"))


def test_json_stays_json_whatever_is_taken_out_of_it() -> None:
    hostile = f'he said "password": \\"{SECRET}\\" \n and Authorization: Token {SECRET}'
    made = record(hostile, detail={"password": [f"gm_{SECRET}"]}, count=3)
    with pytest.raises(ValueError, match="he said") as caught:
        int(hostile)
    made.exc_info = (caught.type, caught.value, caught.tb)
    line = logs.Json().format(made)
    assert "\n" not in line
    assert SECRET not in line
    found = json.loads(line)
    assert (found["level"], found["logger"], found["count"]) == ("INFO", "jobs.queue", 3)
    assert "Traceback" in found["exc_info"]


WRITER = """
import logging, sys, threading
from portal.core.telemetry.logs import Turning
from portal.core.telemetry.turning import Size
handler = Turning(Size(20_000, int(sys.argv[1])))
handler.setFormatter(logging.Formatter("%(message)s"))
logging.basicConfig(level="INFO", handlers=[handler])
def work(name):
    for number in range(10**9):
        logging.info("%s %d %s", name, number, "x" * 40)
threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in "abc"]
[thread.start() for thread in threads]
sys.stderr.write("raw output goes to the same file\\n")  # in one piece: print writes two
[thread.join() for thread in threads]
"""


def write_until_killed(log: Path, *, kept: int, files: int) -> None:
    """Three threads log into `log` until it has turned that often; then kill -9."""
    env = {**os.environ, logs.FILE: str(log), "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(kept)], stdout=output, stderr=output, env=env
        )
    until = time.monotonic() + 30
    while not log.with_name(f"{log.name}.{files}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    writer.kill()
    writer.wait()


def test_no_line_is_lost_when_files_turn_and_the_writer_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    write_until_killed(log, kept=1000, files=20)
    files = sorted(tmp_path.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".log" else 0)
    assert len(files) >= 20
    assert max(path.stat().st_size for path in files) < 21_000
    said = "".join(path.read_text() for path in files)
    lines = said.splitlines() if said.endswith("\n") else said.splitlines()[:-1]
    numbers: dict[str, list[int]] = {name: [] for name in "abc"}
    for line in lines:
        if not line.startswith("raw"):
            name, number, filler = line.split(" ")
            assert filler == "x" * 40
            numbers[name].append(int(number))
    for found in numbers.values():
        assert found == list(range(len(found)))
    assert any(line.startswith("raw") for line in lines)


def test_old_files_go_so_that_a_log_never_fills_the_disk(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    write_until_killed(log, kept=3, files=3)
    write_until_killed(log, kept=3, files=3)
    # Whoever is killed while files move may leave a gap.
    found = {path.name for path in tmp_path.iterdir()}
    assert found <= {"web.log", *(f"web.log.{n}" for n in (1, 2, 3))}
    assert len(found) >= 2


def test_output_that_is_no_file_of_ours_is_left_alone(tmp_path: Path) -> None:
    """A program that a supervised process starts inherits the name of its log, not the log."""
    log, other = tmp_path / "web.log", tmp_path / "other"
    log.write_bytes(b"x" * 50_000)
    code = WRITER.replace("range(10**9)", "range(1000)")
    with other.open("wb") as output:
        subprocess.run([sys.executable, "-c", code, "3"], stderr=output, check=True,
                       env={**os.environ, logs.FILE: str(log), "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "web.log"]
    assert log.stat().st_size == 50_000


def test_a_gap_in_the_row_of_old_files_does_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for name, content in (("x.log", "new"), ("x.log.2", "older")):
        (tmp_path / name).write_text(content)
    turning.turn(log, kept=2)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.log.1": "new",
        "x.log.2": "older",
    }
    assert not turning.turn_if_full(log, turning.Size(1, 2))
