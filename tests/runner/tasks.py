"""Things to do in a training process: what the tests' warm parents fork and call."""

import ctypes
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.runner.child import Control

Emit = Callable[[dict[str, Any]], None]
Action = Callable[[dict[str, Any], Emit, Control], None]
ACTIONS: dict[str, Action] = {}


def run(task: dict[str, Any], emit: Emit, control: Control) -> None:
    emit({"type": "started"})
    ACTIONS[task["do"]](task, emit, control)
    emit({"type": "done", "reason": "done"})


def action(function: Action) -> Action:
    ACTIONS[function.__name__] = function
    return function


@action
def nothing(task: dict[str, Any], emit: Emit, control: Control) -> None:
    del task, emit, control


@action
def copy(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Reads its input, writes its output and its cache."""
    text = Path(task["source"]).read_text(encoding="utf-8")
    Path(task["out"], "copy.txt").write_text(text, encoding="utf-8")
    Path(task["cache"], "seen").write_text(text, encoding="utf-8")
    emit({"type": "artefact", "name": "copy", "path": str(Path(task["out"], "copy.txt"))})


@action
def obey(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Waits for a command and says which came."""
    while not control.command:
        time.sleep(0.01)
    emit({"type": "obeyed", "command": control.command})


@action
def sleep(task: dict[str, Any], emit: Emit, control: Control) -> None:
    if task.get("with_child"):
        subprocess.Popen(["/bin/sleep", "600"])
    emit({"type": "sleeping"})
    time.sleep(600)


@action
def hog(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Takes memory, 20 MiB at a time, and touches it."""
    held = []
    for _ in range(task["mib"] // 20):
        held.append(b"x" * (20 << 20))
        time.sleep(0.02)
    time.sleep(0.3)  # so that a look from outside, every tenth of a second, sees all of it
    emit({"type": "held", "bytes": sum(map(len, held))})


@action
def gulp(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Asks for much memory at once, and then touches it, 20 MiB at a time."""
    size, step = task["mib"] << 20, 20 << 20
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as taken:
        for start in range(0, size, step):
            taken[start : start + step] = b"x" * step
            time.sleep(0.02)


@action
def spin(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Keeps a processor busy, and says what part of the time it had one."""
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < task["seconds"]:
        pass
    emit({"type": "spun", "cores": (time.process_time() - used) / (time.monotonic() - began)})


@action
def gpus(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """What it is told of GPUs, and whether it reaches their device, played by /dev/full, which takes nothing."""
    told = ("CUDA_", "XLA_PYTHON_", "TF_FORCE_")
    emit({"type": "told", **{name: value for name, value in os.environ.items() if name.startswith(told)}})
    try:
        Path("/dev/full").write_bytes(b"x")
    except OSError as error:
        emit({"type": "refused", "error": error.errno})


@action
def fill(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Many files, each small enough for a limit on one file."""
    for number in range(task["files"]):
        Path(task["out"], f"part-{number}").write_bytes(b"x" * task["bytes"])
        time.sleep(0.02)


@action
def flood(task: dict[str, Any], emit: Emit, control: Control) -> None:
    while True:
        emit({"type": "log", "text": "x" * 10_000})


@action
def shout(task: dict[str, Any], emit: Emit, control: Control) -> None:
    print("x" * task["bytes"])  # the point of it  # noqa: T201 # the point of it
    sys.stderr.write("and the last word\n")


@action
def fail(task: dict[str, Any], emit: Emit, control: Control) -> None:
    raise RuntimeError("as asked")


@action
def fork_bomb(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """Starts processes until it is refused."""
    started = 0
    try:
        while started < 2000:
            if os.fork() == 0:
                time.sleep(60)
            started += 1
    except OSError as error:
        emit({"type": "refused", "after": started, "error": error.errno})


@action
def look(task: dict[str, Any], emit: Emit, control: Control) -> None:
    """What an intruder would look at first."""
    emit(
        {
            "type": "seen",
            "readable": [path for path in task.get("paths", []) if _readable(path)],
            "writable": [path for path in task.get("folders", []) if _writable(path)],
            "root": sorted(path.name for path in Path("/").iterdir()),
            "processes": [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()],
            "environment": dict(os.environ),
            "handles": _handles(),
            "network": _network(task.get("port", 9)),
            "user_namespace": ctypes.CDLL(None).unshare(0x1000_0000) == 0,
            # Into its own output folder: should it ever work, nothing of this machine is covered.
            "mount": ctypes.CDLL(None).mount(b"tmpfs", task["out"].encode(), b"tmpfs", 0, None) == 0,
            "user": os.getuid(),
            "capabilities": _status("CapEff"),
            "no_new_privileges": _status("NoNewPrivs"),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        }
    )


@action
def tensorflow(task: dict[str, Any], emit: Emit, control: Control) -> None:
    import tensorflow as tf  # already loaded by the warm parent; the other tests do without it

    total = float(tf.reduce_sum(tf.linalg.matmul(tf.ones((64, 64)), tf.ones((64, 64)))))
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    emit({"type": "computed", "total": total, "threads": threads})


def _readable(path: str) -> bool:
    try:
        if Path(path).is_dir():
            return any(Path(path).iterdir())
        with Path(path).open("rb") as file:
            return len(file.read(1)) == 1
    except OSError:
        return False


def _writable(path: str) -> bool:
    try:
        Path(path, "intruder").write_text("x", encoding="ascii")
    except OSError:
        return False
    return True


def _handles() -> list[str]:
    found = []
    for handle in range(3, 1024):
        try:
            os.fstat(handle)
        except OSError:
            continue
        try:
            found.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        except OSError:
            found.append(str(handle))
    return found


def _network(port: int) -> list[str]:
    """The addresses that could be reached."""
    reached = []
    for address in (("127.0.0.1", port), ("1.1.1.1", 53)):
        try:
            with socket.create_connection(address, timeout=1):
                reached.append(address[0])
        except OSError:
            continue
    return reached


def _status(field: str) -> str:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return line.split()[1]
    return ""
