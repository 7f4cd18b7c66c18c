"""What a job may ask of the kernel."""

import platform
import re
from pathlib import Path

import pytest

from jobs.runner import calls
from tests.escapes.conftest import EVERYWHERE, Hut, Run, modes

FILES = "every file of the portal's user"
HEADERS = {  # Debian: linux-libc-dev
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
TABLES = (calls.REFUSED, calls.ABSENT, calls.NAMESPACES, calls.MOUNTS, calls.UNCOUNTED, calls.LOOKED_AT)
COLUMN = 1 if platform.machine() == "aarch64" else 0


@EVERYWHERE
def test_every_refused_call_is_refused(hut: Hut, run: Run) -> None:
    tables = [calls.REFUSED, calls.ABSENT]
    tables += [calls.NAMESPACES, calls.MOUNTS] if hut.mode != "off" or run == hut.task else []
    numbers = {name: row[COLUMN] for table in tables for name, row in table.items()}
    assert run("refused", numbers={name: at for name, at in numbers.items() if at is not None}).found == {
        "answered": {}
    }


@EVERYWHERE
def test_calls_newer_than_the_list_are_not_there(hut: Hut, run: Run) -> None:
    numbers = {str(number): number for number in range(calls.LAST_KNOWN + 1, calls.LAST_KNOWN + 40)}
    assert run("refused", numbers=numbers).found["answered"] == {}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    text = HEADERS[machine].read_text(encoding="ascii")
    known = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    column = list(HEADERS).index(machine)
    ours = {name: row[column] for table in TABLES for name, row in table.items()}
    assert ours == {name: known.get(name) for name in ours}


def test_a_machine_with_other_numbers_has_no_filter_rather_than_a_wrong_one() -> None:
    assert calls.program(machine="riscv64") == b""
    assert calls.program(machine="aarch64") != calls.program(machine="x86_64") != b""


@EVERYWHERE
def test_no_new_namespace(hut: Hut, run: Run) -> None:
    assert run("namespaces").found["made"] == []


@EVERYWHERE
def test_nothing_mounted_and_nothing_made_writable(hut: Hut, run: Run) -> None:
    assert run("mounts").found["worked"] == []


@EVERYWHERE
def test_no_setting_of_the_machine(hut: Hut, run: Run) -> None:
    hut.held_or_told(run("settings").found["changed"] == [], FILES)


@EVERYWHERE
def test_no_device_but_the_harmless_ones(hut: Hut, run: Run) -> None:
    hut.held_or_told(run("devices").found["opened"] == [], FILES)


@EVERYWHERE
def test_not_the_kernels_log(hut: Hut, run: Run) -> None:
    assert run("kernel_log").found["bytes"] < 0


@EVERYWHERE
def test_nothing_typed_into_a_terminal(hut: Hut, run: Run) -> None:
    assert run("type_into_terminal").found["typed"] == []


@modes("whole", "same-user")
def test_no_right_and_none_to_be_gained(hut: Hut, run: Run) -> None:
    found = run("rights").found
    assert found == {"gained": [], "no capability": True, "none to come": True}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 only")
@EVERYWHERE
def test_other_conventions_of_the_processor_are_no_way_around(hut: Hut, run: Run) -> None:
    found = run("other_convention").found
    assert found["exit"] < 0, "killed by the kernel"
    assert found["x32"] == -1
