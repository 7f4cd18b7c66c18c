"""The training process: forked from the warm parent, shut in, and given one task.

Two processes: the *keeper* waits for the worker and reports how it ended; the *worker* is the first process
of its own process namespace and runs the task. Everything here happens after the fork, so nothing may rely on
threads.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.runner import bubble, confine
from jobs.runner.mounts import translate
from portal.kit import leash, linux

FAILED = 1  # exit code: the task raised; its log says what
BROKEN = 70  # exit code: the child could not be set up; its log says why
ABANDONED = 71  # exit code: the supervisor went away
_THREADS = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",  # XLA's: see DefaultThreadPoolSize in xla/pjrt/utils.cc
)
_LOOK_MS = 500  # how often the keeper looks whether its parent still lives
_PRIORITY = {"": 0, "checkpoint": 1, "stop": 2}

Target = Callable[[dict[str, Any], Callable[[dict[str, Any]], None], "Control"], None]


class Control:
    """What the supervisor asks of a running task: "" for nothing, "checkpoint" or "stop". A later lesser wish
    does not undo a greater one. Tasks look at `command` at each step.
    """

    def __init__(self) -> None:
        self.command = ""

    def take(self, command: str) -> None:
        if _PRIORITY.get(command, -1) > _PRIORITY[self.command]:
            self.command = command


@dataclass(frozen=True)
class Handles:
    """Descriptors that came with a request, in this order: the spec (JSON in memory), the pipe for events,
    the pipe for output, the worker's control socket, the keeper's status socket.
    """

    spec: int
    events: int
    log: int
    control: int
    status: int

    def close(self) -> None:
        for handle in vars(self).values():
            os.close(handle)


def fork(handles: Handles, target: Target, parent_socket: int) -> None:
    """In the warm parent: starts a child for one request and returns at once."""
    parent = os.getpid()
    if os.fork() != 0:
        return
    code = BROKEN
    try:
        os.close(parent_socket)
        code = _keep(handles, target, parent)
    except BaseException:  # noqa: BLE001 # nothing may return into the warm parent's loop
        os.write(handles.log, traceback.format_exc().encode())
        _report(handles, BROKEN)
    finally:
        os._exit(code)


def _keep(handles: Handles, target: Target, parent: int) -> int:
    """The keeper: makes the namespaces, forks the worker into them, reports its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(handles.spec, "rb") as file:
        spec = json.load(file)
    if spec["confine"]:
        confine.separate()
        linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return ABANDONED
    worker = os.fork()
    if worker == 0:
        _work(handles, spec, target)
    for handle in (handles.events, handles.log, handles.control):
        os.close(handle)
    _report(handles, _outlive(worker, handles.status, parent))
    return 0


def _outlive(worker: int, status: int, parent: int) -> int:
    """Waits for the worker's end, or ends it when the supervisor or the warm parent is gone; its exit code.

    Then what the worker started is killed, which matters only where no namespace takes it along.
    """
    poll = select.poll()
    handle = os.pidfd_open(worker)
    poll.register(handle, select.POLLIN)
    poll.register(status, select.POLLIN)  # nothing is ever sent this way: it means the other side has closed
    while not (ready := poll.poll(_LOOK_MS)) and os.getppid() == parent:
        pass
    if handle not in dict(ready):
        os.kill(worker, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])


def _report(handles: Handles, code: int) -> None:
    """To the supervisor: an exit code, or the negative number of a signal."""
    with contextlib.suppress(OSError):  # it may be gone; then there is nobody to tell
        os.write(handles.status, json.dumps({"exit": code}).encode())


def _work(handles: Handles, spec: dict[str, Any], target: Target) -> None:
    """The worker; never returns."""
    code = BROKEN
    try:
        os.setsid()
        linux.die_with_parent(signal.SIGKILL)
        control = _settle(handles)
        _shut_in(spec)
        code = FAILED
        _run(spec, handles, control, target)
        code = 0
    except BaseException:  # noqa: BLE001 # the traceback is the log's, the process ends here
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle(handles: Handles) -> socket.socket:
    """Puts the descriptors in their places, closes all others, and waits until the supervisor has set the
    limits.
    """
    os.dup2(handles.log, 1)
    os.dup2(handles.log, 2)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    _close_all_but({0, 1, 2, handles.events, handles.control})
    with contextlib.suppress(OSError):  # a preference: the machine's memory is short, jobs go first
        Path("/proc/self/oom_score_adj").write_text(str(bubble.KILL_FIRST), encoding="ascii")
    leash.yield_to_others(bubble.NICE)
    control = socket.socket(fileno=handles.control)
    control.send(b"hello")  # the kernel adds this process's id as the supervisor sees it
    if control.recv(16) != b"go":
        os._exit(ABANDONED)
    return control


def _close_all_but(kept: set[int]) -> None:
    start = 0
    for handle in [*sorted(kept), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]:
        if handle > start:  # an empty range would be taken as one up to the last number there is
            os.closerange(start, handle)
        start = handle + 1


def _shut_in(spec: dict[str, Any]) -> None:
    if spec["confine"]:
        binds = [(source, inside) for source, inside in spec["binds"]]
        system = [*bubble.inside_system(), *spec["code"]]
        view = confine.View(
            binds=binds,
            system=system,
            tmp_bytes=spec["tmp_bytes"],
            hidden=spec["hidden"],
            watched=spec["watched"],
        )
        confine.enclose(view)
    else:
        if spec["sandboxed"]:  # its neighbours run as the same user, and see it
            linux.not_dumpable()
        confine.filter_calls(watched=spec["watched"])
    for name, value in spec["rlimits"].items():
        if name != "NPROC" or spec["confine"]:  # elsewhere all of this user's processes are counted together
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (lowest, lowest))


def _run(spec: dict[str, Any], handles: Handles, control: socket.socket, target: Target) -> None:
    os.environ.update(spec["env"])
    task = (
        spec["task"]
        if spec["confine"]
        # Inputs have links under their own names in the folder of inputs; their sources are named by a hash.
        else translate(spec["task"], {n: path for path, n in spec["binds"] if not n.startswith("/job/in/")})
    )
    _set_threads(task.get("threads"))
    wishes = Control()
    threading.Thread(target=_listen, args=(control, wishes), daemon=True).start()
    target(task, Emitter(handles.events), wishes)


class Emitter:
    """Writes events as JSON lines; a write that finds nobody listening ends the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def __call__(self, event: Mapping[str, Any]) -> None:
        data = memoryview((json.dumps(event) + "\n").encode())
        with self._lock:
            while data:
                try:
                    data = data[os.write(self._handle, data) :]
                except BrokenPipeError:
                    os._exit(ABANDONED)


def _listen(control: socket.socket, wishes: Control) -> None:
    """Takes commands until the supervisor is gone, which is the end of this process too."""
    with contextlib.suppress(OSError):
        while command := control.recv(64):
            wishes.take(command.decode("ascii", errors="replace"))
    os._exit(ABANDONED)


def _set_threads(count: int | None) -> None:
    """For libraries that read the environment at first use, and for TensorFlow if it is loaded."""
    if not count:
        return
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.config.threading.set_intra_op_parallelism_threads(count)
        tensorflow.config.threading.set_inter_op_parallelism_threads(count)
