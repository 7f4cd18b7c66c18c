"""The same model and target give the same bytes: in another process, in another order, by other threads, later."""

import hashlib
import json
import os
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest

from jobs.bundles.signing import new_key, private_pem
from tests.export.conftest import Built

pytestmark = [pytest.mark.train, pytest.mark.long]
ROOT = Path(__file__).parents[2]
TARGETS = {
    "digits": ["raspberry-pi-4", "stm32f746", "browser", "onnx", "keras"],
    "farm_classes": ["raspberry-pi-4", "stm32f746", "onnx"],
}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def begin(key: Path, out: Path, threads: int, seed: str, wanted: list[list[str]]) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TZ": "Asia/Kolkata" if threads > 1 else "UTC",
    }
    argv = [sys.executable, "-m", "tests.export.again", key, out, threads, *chain.from_iterable(wanted)]
    return subprocess.Popen([str(arg) for arg in argv], env=environment, cwd=ROOT, text=True)


def test_two_builds_are_equal_byte_by_byte(digits: Built, farm_classes: Built, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(private_pem(new_key()))
    wanted = []
    for name, built in (("digits", digits), ("farm_classes", farm_classes)):
        (built.home / "task.json").write_text(json.dumps(built.task))
        wanted += [[name, str(built.home / "task.json"), target] for target in TARGETS[name]]
    processes = [begin(key, tmp_path / "first", 1, "1", wanted)]
    time.sleep(2.1)  # a zip's times have steps of two seconds
    processes.append(begin(key, tmp_path / "second", 2, "2", wanted[::-1]))
    assert [process.wait(timeout=280) for process in processes] == [0, 0]
    first, second = digests(tmp_path / "first"), digests(tmp_path / "second")
    assert set(first) == set(second)
    assert {f"{name}-{target}.zip" for name, _task, target in wanted} <= set(first)
    assert [file for file, digest in first.items() if second[file] != digest] == []
