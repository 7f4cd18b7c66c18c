"""Readings of a machine made of files, between which its counters move."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.nodes.probe import counters
from hardware.nodes.probe.counters import Package, Ticks
from hardware.nodes.probe.sampling import EVERY_S, Sampler
from tests.probe.machines import package, worked, write

CORES = "".join(f"processor\t: {n}\nphysical id\t: 0\ncore id\t: {n // 2}\n\n" for n in range(8))


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_the_processor_between_two_looks(tmp_path: Path, watch: Watch) -> None:
    worked(tmp_path, busy=1000, idle=9000)
    package(tmp_path, "intel-rapl:0", "package-0", 50_000_000)
    write(tmp_path, {"proc/meminfo": "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\n"})
    write(
        tmp_path,
        {"sys/class/hwmon/hwmon1/name": "k10temp\n", "sys/class/hwmon/hwmon1/temp1_input": "48250\n"},
    )
    write(
        tmp_path, {"sys/class/hwmon/hwmon2/name": "nvme\n", "sys/class/hwmon/hwmon2/temp1_input": "70000\n"}
    )
    sampler = Sampler(tmp_path, watch)
    watch.now += 20
    worked(tmp_path, busy=1300, idle=9100)
    package(tmp_path, "intel-rapl:0", "package-0", 1_050_000_000)
    reading = sampler.take()[0]
    assert (reading.kind, reading.index, reading.utilisation) == ("cpu", 0, 0.75)
    assert (reading.memory_bytes, reading.temperature_c, reading.power_w) == (400 * 1024, 48.25, 50.0)


def test_it_is_due_every_fifteen_seconds(tmp_path: Path, watch: Watch) -> None:
    sampler = Sampler(tmp_path, watch)
    found = []
    for _beat in range(30):
        watch.now += 2
        found.append(bool(sampler.due()))
    assert (EVERY_S, found.count(True)) == (15.0, 3)  # at 16, 32 and 48 s


def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path, watch: Watch) -> None:
    reading = Sampler(tmp_path, watch).take()[0]
    assert {reading.utilisation, reading.memory_bytes, reading.temperature_c, reading.power_w} == {None}


def test_this_machine() -> None:
    reading = Sampler().take()[0]
    assert reading.memory_bytes is not None
    assert reading.memory_bytes > 0


def test_boards_name_their_heat_otherwise(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    write(
        tmp_path,
        {f"{zone}/type": "cpu-thermal\n", f"{zone}/temp": "61300\n", "sys/class/thermal/x/type": "wifi\n"},
    )
    assert counters.temperature_c(tmp_path) == pytest.approx(61.3)


def test_threads_of_a_core_are_one_core(tmp_path: Path) -> None:
    assert counters.cores(write(tmp_path, {"proc/cpuinfo": CORES})) == 4
    assert counters.cores(write(tmp_path, {"proc/cpuinfo": "processor\t: 0\n\nprocessor\t: 1\n"})) == 2
    assert counters.cores(tmp_path / "nowhere") == 1


def test_parts_of_a_package_are_not_counted_twice(tmp_path: Path) -> None:
    for zone, name in (
        ("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:0:1", "uncore"),
        ("intel-rapl:0:2", "dram"), ("intel-rapl:1", "package-1"), ("intel-rapl:2", "psys"),
        ("intel-rapl-mmio:0", "package-0"),
    ):  # fmt: skip
        package(tmp_path, zone, name, 1)
    assert sorted(counters.packages(tmp_path)) == ["intel-rapl:0", "intel-rapl:0:2", "intel-rapl:1"]


def test_a_counter_that_is_closed_to_us_is_none(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 1)
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    assert counters.packages(tmp_path) == {}
    assert counters.joules({}, {}) is None
    assert counters.joules({"intel-rapl:0": Package(1, 9)}, {}) is None


@given(
    start=st.integers(0, 10**12),
    uses=st.lists(st.integers(0, 10**12 - 1), max_size=20),
    wraps=st.just(10**12),
)
def test_a_counter_may_begin_again_between_any_two_looks(start: int, uses: list[int], wraps: int) -> None:
    at, total = start % wraps, 0.0
    for used in uses:
        before, at = at, (at + used) % wraps
        said = counters.joules({"zone": Package(before, wraps)}, {"zone": Package(at, wraps)})
        assert said is not None
        total += said
    assert total == pytest.approx(sum(uses) * 1e-6)


@given(st.tuples(*[st.integers(0, 10**9)] * 4))
def test_a_share_is_a_share(counts: tuple[int, int, int, int]) -> None:
    busy, idle, more_busy, more_idle = counts
    before, after = Ticks(busy, busy + idle), Ticks(busy + more_busy, busy + idle + more_busy + more_idle)
    said = counters.share(before, after)
    assert (
        said is None
        if more_busy + more_idle == 0
        else said == pytest.approx(more_busy / (more_busy + more_idle))
    )
