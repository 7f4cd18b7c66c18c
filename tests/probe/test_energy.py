"""The energy of a stretch of work: from counters, or estimated and marked so."""

import threading
from pathlib import Path

import pytest

from hardware.nodes.probe import energy
from hardware.nodes.probe.energy import CORE_W, Energy, Meter, Together
from hardware.targets.fpga import TOOLCHAIN
from tests.probe.machines import package, worked, write
from tests.probe.test_sampling import CORES, Watch

RANGE = 262_143_328_850


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_by_the_packages_counters(tmp_path: Path, watch: Watch) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    package(tmp_path, "intel-rapl:1", "package-1", 0)
    meter = Meter(root=tmp_path, now=watch)
    meter.start()
    package(tmp_path, "intel-rapl:0", "package-0", 3_500_000)
    package(tmp_path, "intel-rapl:1", "package-1", 500_000)
    assert meter.stop() == Energy(3.0, measured=True)


def test_a_long_stretch_in_which_the_counter_began_again_twice(tmp_path: Path, watch: Watch) -> None:
    meter = Meter(root=package(tmp_path, "intel-rapl:0", "package-0", 0), now=watch)
    meter.start()
    for look in range(1, 5):
        package(tmp_path, "intel-rapl:0", "package-0", (look * 150_000_000_000) % RANGE)
        meter.look()
    assert meter.stop().joules == pytest.approx(600_000)


def test_without_counters_by_time_cores_and_utilisation(tmp_path: Path, watch: Watch) -> None:
    write(worked(tmp_path, busy=0, idle=0), {"proc/cpuinfo": CORES})
    meter = Meter(root=tmp_path, now=watch)
    meter.start()
    watch.now += 10
    worked(tmp_path, busy=25, idle=75)
    assert meter.stop() == Energy(10 * 4 * CORE_W * 0.25, measured=False)


def test_a_counter_that_goes_away_makes_an_estimate_of_the_whole(tmp_path: Path, watch: Watch) -> None:
    write(worked(tmp_path, busy=0, idle=0), {"proc/cpuinfo": CORES})
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = Meter(root=tmp_path, now=watch)
    meter.start()
    package(tmp_path, "intel-rapl:0", "package-0", 7_000_000)
    meter.look()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    worked(tmp_path, busy=10, idle=10)
    watch.now += 1
    assert meter.stop() == Energy(7.0 + 4 * CORE_W * 0.5, measured=False)


def test_once_estimated_the_whole_is_an_estimate(tmp_path: Path, watch: Watch) -> None:
    meter = Meter(root=tmp_path, now=watch)
    meter.start()
    watch.now += 1
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    assert meter.look() == Energy(CORE_W, measured=False)
    package(tmp_path, "intel-rapl:0", "package-0", 7_000_000)
    assert meter.stop() == Energy(CORE_W + 7.0, measured=False)


def test_the_thread_looks_by_itself_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "LOOK_S", 0.01)
    looked = threading.Event()

    class Watched(Meter):
        def look(self) -> Energy:
            looked.set()
            return super().look()

    with Watched(root=tmp_path) as meter:
        assert looked.wait(5)
    assert meter.energy.joules > 0
    assert all(thread.name != "energy" for thread in threading.enumerate())


def test_nothing_asked_for_is_nothing_used(tmp_path: Path) -> None:
    with Meter(cpu=False, root=tmp_path) as meter:
        pass
    assert meter.energy == Energy(0.0, measured=True)


@pytest.mark.parametrize(
    ("kind", "model", "watts"),
    [("tpu", "TPU v3", 220.0), ("tpu", "TPU v9", 200.0), ("fpga", "ULX3S 85F", 2.5)],
)
def test_what_says_nothing_is_assumed(
    kind: str, model: str, watts: float, tmp_path: Path, watch: Watch
) -> None:
    meter = Meter([(kind, 0, model), ("cpu", 0, "Ryzen")], cpu=False, root=tmp_path, now=watch)
    meter.start()
    watch.now += 10
    assert meter.stop() == Energy(10 * watts, measured=False)


def test_the_tools_for_fpgas_use_what_the_processor_does(tmp_path: Path, watch: Watch) -> None:
    """What they take is in the processor's counters, and no estimate beside it."""
    meter = Meter([("fpga", 0, TOOLCHAIN)], cpu=False, root=tmp_path, now=watch)
    meter.start()
    watch.now += 10
    assert meter.stop() == Energy(0.0, measured=True)


def test_what_runs_together_shares_what_is_measured_and_no_joule_is_told_twice(
    tmp_path: Path, watch: Watch
) -> None:
    def counted(joules: float) -> None:
        package(tmp_path, "intel-rapl:0", "package-0", int(joules * 1e6))

    counted(0)
    together = Together(root=tmp_path, now=watch)
    together.begin("a", [("cpu", 0, "")])
    counted(10)  # a alone
    together.begin("b", [("cpu", 0, "")])
    counted(30)  # both
    a = together.end("a")
    counted(35)  # b alone
    b = together.end("b")
    counted(99)  # nobody's
    together.begin("c", [])
    assert (a, b) == (Energy(20.0, measured=True), Energy(15.0, measured=True))
    assert together.end("c").joules == 0.0
    assert all(thread.name != "energy" for thread in threading.enumerate())


def test_an_accelerator_is_shared_by_those_on_it_alone(tmp_path: Path, watch: Watch) -> None:
    write(worked(tmp_path, busy=0, idle=0), {"proc/cpuinfo": CORES})
    together = Together(root=tmp_path, now=watch)
    together.begin("board", [("fpga", 0, "")])
    together.begin("same board", [("fpga", 0, "")])
    together.begin("cpu", [("cpu", 0, "")])
    watch.now += 12
    worked(tmp_path, busy=50, idle=50)
    processor = 12 * 4 * CORE_W * 0.5
    assert together.end("cpu").joules == pytest.approx(processor / 3)
    assert together.end("board").joules == pytest.approx(processor / 3 + 12 * energy.BOARD_W / 2)
    assert not together.end("same board").measured
