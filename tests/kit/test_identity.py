"""Who a process is, and whether it is gone."""

import os
import subprocess
import sys

from portal.kit import identity


def test_who_lives_is_not_gone() -> None:
    assert not identity.is_gone(identity.me())
    assert identity.me() == identity.me()


def test_a_process_is_gone_once_it_is_dead_even_before_it_is_buried() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "from portal.kit import identity; print(identity.me(), flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert not identity.is_gone(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
    assert identity.is_gone(name)
    child.wait()
    assert identity.is_gone(name)
    child.stdout.close()


def test_a_later_process_of_the_same_number_is_another() -> None:
    where, pid, born = identity.me().split("/")
    assert identity.is_gone(f"{where}/{pid}/{int(born) - 1}")


def test_of_other_machines_and_other_names_nothing_is_known() -> None:
    _where, _pid, born = identity.me().split("/")
    for name in (
        "",
        "mill-1",
        f"elsewhere/1/{born}",
        f"{identity.machine()}/x/{born}",
        f"{identity.machine()}/1/",
    ):
        assert not identity.is_gone(name)
