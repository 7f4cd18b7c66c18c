"""What a node says about itself, on this machine and from the files of others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

from hardware.nodes.probe import machine
from hardware.nodes.probe.disk import disk
from hardware.nodes.probe.processor import cores, memory, processor
from tests.probe.machines import write

ROOT = Path(__file__).resolve().parents[2]
PI = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid asimdhp asimddp

processor\t: 1
Features\t: fp asimd

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


def test_here() -> None:
    facts = machine.facts(ROOT)
    assert facts.processor.architecture == os.uname().machine
    assert 0 < facts.processor.cores <= (os.cpu_count() or 1)
    assert 0 < facts.processor.memory_bytes <= psutil.virtual_memory().total
    assert not facts.trouble


def test_as_json_the_processor_comes_first_among_what_jobs_run_on() -> None:
    argv = [sys.executable, "-m", "hardware.nodes.probe", str(ROOT)]
    said = json.loads(subprocess.run(argv, capture_output=True, check=True, cwd=ROOT, timeout=30).stdout)
    here = machine.probe(ROOT)
    assert said["disk"].pop("free_bytes") > 0
    assert here["disk"].pop("free_bytes") > 0
    assert said == here
    assert said["accelerators"][0]["kind"] == "cpu"
    assert said["memory_bytes"] == said["accelerators"][0]["memory_bytes"]


def test_a_board_names_itself_at_the_end(tmp_path: Path) -> None:
    found = processor(write(tmp_path, {"proc/cpuinfo": PI}))
    assert found.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert found.features == ["asimd", "asimddp", "asimdhp"]


def test_limits_of_cgroup_two_from_its_own_group_upward(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/app"
    root = write(tmp_path, {
        "proc/self/cgroup": "0::/app/main\n", f"{group}/memory.max": "1000000000\n",
        f"{group}/main/memory.max": "max\n",
        f"{group}/main/cpu.max": "50000 100000\n", f"{group}/cpu.max": "max 100000\n",
    })  # fmt: skip
    assert memory(root) == 1_000_000_000
    assert cores(root) == 0.5


def test_limits_of_cgroup_one(tmp_path: Path) -> None:
    root = write(tmp_path, {
        "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "900000000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "25000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
    })  # fmt: skip
    assert memory(root) == 900_000_000
    assert cores(root) == 0.25


def test_without_limits_all_there_is(tmp_path: Path) -> None:
    assert memory(tmp_path) == psutil.virtual_memory().total
    assert cores(tmp_path) == len(os.sched_getaffinity(0))


def test_the_disk_of_a_home_that_is_yet_to_be_made(tmp_path: Path) -> None:
    found = disk(tmp_path / "not" / "yet")
    assert 0 < found.free_bytes <= found.total_bytes
    assert found.total_bytes == disk(tmp_path).total_bytes
