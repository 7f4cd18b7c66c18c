"""The subprocess helper: output, time, groups, and no orphans."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from portal.kit import clock, process

PYTHON = sys.executable


def running(mark: str) -> list[int]:
    found = psutil.process_iter(["cmdline", "status"])
    return [
        p.pid for p in found if mark in (p.info["cmdline"] or []) and p.info["status"] != psutil.STATUS_ZOMBIE
    ]


def gone(mark: str) -> bool:
    until = time.monotonic() + 10
    while running(mark) and time.monotonic() < until:
        time.sleep(0.02)
    return not running(mark)


def test_returns_code_and_both_streams_and_logs_them(tmp_path: Path) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    result = process.run([PYTHON, "-c", program], timeout=10, log=tmp_path / "log")
    assert (result.code, result.signal, result.out, result.err) == (3, None, "out\n", "err\n")
    assert not result.ok
    assert not result.timed_out
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_keeps_the_end_of_much_output() -> None:
    result = process.run([PYTHON, "-c", "print('x' * 3_000_000); print('end')"], timeout=10)
    assert result.ok
    assert len(result.out) == process.KEPT_BYTES
    assert result.out.endswith("x\nend\n")


def test_time_is_up_for_the_whole_group() -> None:
    mark = f"62.0{os.getpid()}"
    started = clock.monotonic()
    result = process.run(["/bin/sh", "-c", f"/bin/sleep {mark} & wait"], timeout=0.5)
    assert result.timed_out
    assert result.signal == signal.SIGKILL
    assert clock.monotonic() - started < 5
    assert gone(mark)


def test_does_not_wait_for_what_was_left_in_the_background_and_kills_it() -> None:
    mark = f"63.0{os.getpid()}"
    started = clock.monotonic()
    result = process.run(["/bin/sh", "-c", f"/bin/sleep {mark} & echo done"], timeout=30)
    assert result.ok
    assert result.out == "done\n"
    assert clock.monotonic() - started < 5
    assert gone(mark)


def test_time_is_up_for_one_that_closed_its_streams() -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    result = process.run([PYTHON, "-c", program], timeout=0.7)
    assert result.timed_out


def test_gets_only_the_environment_it_is_given() -> None:
    result = process.run([PYTHON, "-c", "import os; print('HOME' in os.environ)"], timeout=10, env={"A": "b"})
    assert result.out == "False\n"


def test_stop_asks_first_and_then_kills() -> None:
    polite = process.spawn(
        [PYTHON, "-c", "import signal; signal.sigwait({signal.SIGTERM})"], stdout=subprocess.DEVNULL
    )
    assert process.stop(polite) in (0, -signal.SIGTERM)
    program = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    )
    stubborn = process.spawn([PYTHON, "-c", program], stdout=subprocess.PIPE)
    with stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        assert process.stop(stubborn, grace=0.2) == -signal.SIGKILL


def test_a_leashed_program_dies_with_its_parent() -> None:
    mark = f"64.0{os.getpid()}"
    program = (
        f"import sys, time; sys.path.insert(0, {str(process.ROOT)!r}); from portal.kit import process;"
        f"process.spawn(['/bin/sleep', {mark!r}], leashed=True); print('on', flush=True); time.sleep(60)"
    )
    with process.spawn([PYTHON, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"on\n"
        parent.kill()
    assert gone(mark)


def test_a_leash_lowers_limits() -> None:
    argv = process.leash([PYTHON, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))"],
                         rlimits={"NOFILE": 77})  # fmt: skip
    assert process.run(argv, timeout=10).out == "(77, 77)\n"


def test_the_clocks() -> None:
    assert clock.now().utcoffset() is not None
    first = clock.monotonic()
    assert clock.monotonic() >= first
