"""The warm parent, seen from the node's worker: keeps it alive and starts tasks in it.

One per backend and node. Where it is not ready yet, `run` waits for it: a cold start takes as long as what is
left of the imports. When it is killed it is started again by itself; its children die with it and say so
(Exit.lost).
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.runner import bubble, cgroups, lend, sandbox
from jobs.runner.bubble import Box, Level
from jobs.runner.gpus import NO_GPUS, Gpus
from jobs.runner.limits import Limits
from jobs.runner.mounts import Mounts
from jobs.runner.running import Event, Running, channels, sockets
from jobs.runner.sandbox import SandboxReport
from portal.kit import clock
from portal.kit import process as kit_process
from portal.kit.errors import RetryableError

PRELOAD = {"tensorflow": ("numpy", "tensorflow", "keras"), "jax": ("numpy", "jax", "keras")}
TARGET = "jobs.engine.main:run"
START_SECONDS = 120.0  # importing TensorFlow takes 11 to 15 s on a small machine, more on a busy one
_BACKOFF = (0.2, 1.0, 3.0, 10.0, 30.0)  # seconds before the next try, by failed starts in a row
_INPUT = "/job/in"
_WRITABLE = f"{bubble.HIDDEN}/w"
_READ_ONLY = f"{bubble.HIDDEN}/r"


class WarmParent:
    """Starts tasks within about a second, each in a process that sees only its own folders.

    `home` is a folder of this node's that holds attempts' folders and caches and nothing else: no key, no
    database. `shared` are further folders (blobs) from which tasks are given single files, read-only.
    `preload` names modules to import before forking; none may run a TensorFlow operation or start a thread at
    import. `target` is "module:function", called in the child as function(task, emit, control); `code` are
    folders of further modules. `devices` are files and folders below /dev that tasks with GPUs see, and others don't
    where each has a sandbox of its own. `lines` are serial lines of boards, each for those tasks alone that are given
    it. `report` is what to rely on instead of this machine's `sandbox.probe`.
    """

    def __init__(
        self,
        home: Path,
        *,
        backend: str = "tensorflow",
        target: str = TARGET,
        preload: Sequence[str] | None = None,
        shared: Sequence[Path] = (),
        code: Sequence[Path] = (),
        devices: Sequence[str] = (),
        lines: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        report: SandboxReport | None = None,
    ) -> None:
        self._home = home.resolve()
        self._roots = [path.resolve() for path in shared]
        self._report = report or sandbox.probe()
        self._level = self._report.level
        modules = PRELOAD[backend] if preload is None else preload
        self._config = {
            "target": target,
            "preload": list(modules),
            "confine": self._level is not Level.NONE,
            "watched": not self._report.counts_memory,
        }
        self._code = [str(path.resolve()) for path in code]
        self._env = {**_backend_environment(backend), **(env or {})}
        self._devices, self._lines = devices, lines
        self._bound: list[str] = []  # those of the lines that this life of it sees: boards come and go
        self._log = self._home / f"warm-{backend}.log"
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._why = ""  # why children can't be kept apart
        self._trouble = ""  # why it is not ready
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._manager: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        return self._link is not None

    @property
    def trouble(self) -> str:
        """Why its last start failed; empty once it is ready, and while it has not failed yet."""
        return self._trouble

    @property
    def pid(self) -> int | None:
        """The process that holds the warm parent's sandbox."""
        return self._process.pid if self._process else None

    @property
    def report(self) -> SandboxReport:
        """What is enforced for the children of this parent; final once it is ready."""
        if self._level is Level.NONE or not self._why or not self._report.nested:
            return self._report
        return sandbox.without_nesting(self._report, self._why)

    def start(self) -> None:
        """Begins to import in the background; returns at once."""
        if self._manager is None:
            self._home.mkdir(parents=True, exist_ok=True)
            self._manager = threading.Thread(target=self._manage, name="warm-parent", daemon=True)
            self._manager.start()

    def wait_ready(self, timeout: float = START_SECONDS) -> bool:
        with self._changed:
            return (
                self._changed.wait_for(lambda: self.ready or self._closing.is_set(), timeout) and self.ready
            )

    def close(self) -> None:
        """Ends the warm parent, and with it every task that still runs."""
        self._closing.set()
        with self._changed:
            if self._link is not None:
                self._link.shutdown(socket.SHUT_RDWR)
            elif self._process is not None:
                kit_process.signal_group(self._process, signal.SIGKILL)
            self._changed.notify_all()
        if self._manager is not None:
            self._manager.join()

    def run(
        self,
        task: Mapping[str, Any],
        *,
        job_dir: Path,
        cache: Path | None = None,
        read_only: Mapping[Path, str] | None = None,
        limits: Limits,
        gpus: Gpus = NO_GPUS,
        devices: Sequence[str] = (),
        on_event: Callable[[Event], None] | None = None,
        backlog: Callable[[], int] | None = None,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = START_SECONDS,
    ) -> Running:
        """Starts one task. Its paths are inside paths: `job_dir`/in is /job/in (read-only), `job_dir`/out is
        /job/out (writable), `cache` is /cache (writable), and `read_only` adds files or folders under paths
        of their own. All lie below `home`, the read-only ones may lie below `shared`: ValueError for others.
        `on_event` is called in a thread of the Running; without it read Running.events. Where it only puts events
        by, `backlog` says how many wait, so that a flood of them waits in the child. `task["threads"]`
        limits the threads of TensorFlow and JAX. The task sees `gpus` and no others, and of the
        `lines` of boards those in `devices`. Raises RetryableError when the
        warm parent isn't ready within `timeout` seconds.
        """
        self.start()
        mounts = _job_mounts(job_dir, cache, read_only or {})
        self._lend(mounts, devices)
        deadline = clock.monotonic() + timeout
        while True:
            if not self.wait_ready(max(0.0, deadline - clock.monotonic())):
                raise RetryableError(
                    f"This node's training process did not start: {self._trouble or 'it is still loading'}."
                )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                return self._send(
                    dict(task),
                    mounts,
                    limits,
                    gpus=gpus,
                    devices=devices,
                    env=env or {},
                    on_event=on_event,
                    backlog=backlog,
                    log=log,
                )
            self._closing.wait(0.02)  # the manager is about to notice that the warm parent is gone

    def _send(
        self,
        task: dict[str, Any],
        mounts: Mounts,
        limits: Limits,
        *,
        gpus: Gpus,
        devices: Sequence[str],
        env: Mapping[str, str],
        on_event: Callable[[Event], None] | None,
        backlog: Callable[[], int] | None,
        log: Path | None,
    ) -> Running:
        confine = self._level is not Level.NONE and not self._why
        rlimits = {**limits.rlimits(), "NPROC": limits.processes}
        binds = [(self._source(host, writable), inside) for host, inside, writable in mounts.pairs()]
        _place_inputs(mounts, None if confine else {inside: source for source, inside in binds})
        spec = {
            "task": task,
            "binds": binds,
            "confine": confine,
            "sandboxed": self._level is not Level.NONE,
            "watched": not self._report.counts_memory,
            "tmp_bytes": limits.tmp_bytes,
            "code": self._code,
            "hidden": [
                *([] if gpus.names else self._devices),
                *(each for each in self._bound if each not in devices),
            ],
        }
        ends, handles = channels({**spec, "rlimits": rlimits, "env": {**gpus.environment(), **env}})
        try:
            with self._changed:
                if self._link is None:
                    raise BrokenPipeError
                socket.send_fds(self._link, [b"run"], list(vars(handles).values()))
        except OSError:
            ends.close()
            raise
        finally:
            handles.close()
        group = cgroups.create(
            self._report.groups,
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            cores=limits.cores,
        )
        return Running(
            ends,
            mounts=mounts,
            limits=limits,
            group=group,
            names=dict(binds),
            private=confine,
            on_event=on_event,
            backlog=backlog,
            log=log,
        )

    def _source(self, host: Path, writable: bool) -> str:
        """Where the warm parent sees a host path."""
        if self._level is Level.NONE:
            return str(host)
        root = self._root(host)
        if writable and root != self._home:
            raise ValueError(f"{host} is not below {self._home}: a task can't write there")
        name = _WRITABLE if writable else f"{_READ_ONLY}/{[self._home, *self._roots].index(root)}"
        return f"{name}/{host.relative_to(root)}"

    def _root(self, host: Path) -> Path:
        for root in (self._home, *self._roots):
            if host.is_relative_to(root):
                return root
        raise ValueError(f"{host} is neither below the node's home nor below a shared folder")

    def _lend(self, mounts: Mounts, devices: Sequence[str]) -> None:
        """Lets the sandbox's user in, where it has one of its own."""
        if self._level is not Level.OWN_USER:
            return
        for host, _, writable in mounts.pairs():
            (lend.write if writable else lend.read)(host, bubble.sandbox_uid(), below=self._root(host))
        for device in map(Path, devices):
            if device.exists():  # else the task finds that out, and says so
                lend.line(device, bubble.sandbox_uid())

    def _manage(self) -> None:
        """Keeps it alive: this thread starts it, since a leashed program dies with the thread that started
        it.
        """
        failures = 0
        while not self._closing.is_set():
            was_ready = self._live()
            failures = 0 if was_ready else failures + 1
            self._closing.wait(_BACKOFF[min(failures, len(_BACKOFF) - 1)])

    def _live(self) -> bool:
        """One life of the warm parent, from start to end; whether it became ready."""
        mine, theirs = sockets()
        with mine, self._log.open("wb") as log:
            with theirs:
                self._process = self._spawn(theirs, log)
            try:
                return self._converse(mine, self._process)
            finally:
                with self._changed:
                    self._link = None
                kit_process.stop(self._process, grace=0.0)

    def _spawn(self, theirs: socket.socket, log: Any) -> subprocess.Popen[bytes]:
        config = json.dumps({**self._config, "fd": theirs.fileno()})
        program = [sys.executable, "-m", "jobs.runner.warm_main", config]
        roots = {root: f"{_READ_ONLY}/{number}" for number, root in enumerate([self._home, *self._roots])}
        code = {Path(path): path for path in self._code}
        mounts = Mounts(read_only={**roots, **code}, writable={self._home: _WRITABLE})
        self._bound = [line for line in self._lines if Path(line).exists()]
        box = Box(
            mounts=mounts,
            nested=True,
            watched=not self._report.counts_memory,
            nice=0,
            devices=[*self._devices, *self._bound],
        )
        argv = bubble.command(program, box, level=self._level)
        env = bubble.environment(self._env)
        env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], *self._code])
        return kit_process.spawn(argv, env=env, stdout=log, stderr=log, pass_fds=[theirs.fileno()])

    def _converse(self, link: socket.socket, process: subprocess.Popen[bytes]) -> bool:
        """Waits for its readiness, then for its end."""
        answer = self._answer(link, process)
        if "ready" not in answer:
            self._trouble = answer.get("error") or self._last_words()
            return False
        with self._changed:
            self._link, self._why, self._trouble = link, answer["why"], ""
            self._changed.notify_all()
        _until_closed(link, process)
        return True

    def _answer(self, link: socket.socket, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        _until_closed(link, process)
        with contextlib.suppress(OSError, ValueError):
            link.setblocking(False)
            answer = json.loads(link.recv(65536))
            link.setblocking(True)
            return dict(answer)
        return {}

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it ended without a word"


def _until_closed(link: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Until there is something to read (an answer, or the end of the socket) or the process has ended."""
    handle = os.pidfd_open(process.pid)
    try:
        select.select([link.fileno(), handle], [], [])
    finally:
        os.close(handle)


def _job_mounts(job_dir: Path, cache: Path | None, read_only: Mapping[Path, str]) -> Mounts:
    for name in ("in", "out"):
        (job_dir / name).mkdir(parents=True, exist_ok=True)
    writable = {job_dir / "out": "/job/out"}
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        writable[cache] = "/cache"
    return Mounts(read_only={job_dir / "in": _INPUT, **read_only}, writable=writable)


def _place_inputs(mounts: Mounts, sources: Mapping[str, str] | None) -> None:
    """Files given under /job/in, a read-only folder, need a name in it to be mounted on; or, where nothing
    can be mounted, a link to their source.
    """
    folder = next(host for host, inside in mounts.read_only.items() if inside == _INPUT)
    for host, inside in mounts.read_only.items():
        place = folder / inside.removeprefix(f"{_INPUT}/")
        if not inside.startswith(f"{_INPUT}/") or os.path.lexists(place):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if sources is not None:
            place.symlink_to(sources[inside])
        elif host.is_dir():
            place.mkdir()
        else:
            place.touch()


def _backend_environment(backend: str) -> dict[str, str]:
    return {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # numpy's own threads would be started at import, and a fork leaves them behind.
        "OPENBLAS_NUM_THREADS": "1",
    }
