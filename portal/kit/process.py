"""The one way to start a program: an argument list, its own process group, a time limit, bounded output."""

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from portal.kit import clock

ROOT = Path(__file__).resolve().parents[2]
KEPT_BYTES = 64 * 1024
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from portal.kit.leash import main; main(sys.argv[1])"
)


@dataclass(frozen=True)
class Result:
    """How a program ended. `code` is None when a signal ended it; output is the last KEPT_BYTES of each
    stream.
    """

    code: int | None
    signal: int | None
    out: str
    err: str
    timed_out: bool
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.timed_out


class Tail:
    """Keeps the last `limit` bytes of what it is fed, however much that is."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._kept = bytearray()

    def feed(self, data: bytes) -> None:
        self._kept += data
        del self._kept[: -self._limit]

    def text(self) -> str:
        return self._kept.decode("utf-8", errors="replace")


def leash(argv: Sequence[str], **spec: Any) -> list[str]:
    """The command line that starts `argv` through portal.kit.leash; `argv[0]` must be an absolute path."""
    argument = json.dumps({"argv": list(argv), **spec})
    return [sys.executable, "-I", "-S", "-c", _BOOT, str(ROOT), argument]


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    leashed: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts `argv` in a session and process group of its own, with only `env` (default: this process's).

    `leashed`: it is killed when the calling *thread* ends, so call from one that lives as long as the program
    may.
    """
    command = leash(argv, parent=os.getpid()) if leashed else list(argv)
    return subprocess.Popen(
        command,
        env=None if env is None else dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signals the program and what it started in its group; nothing happens when it has been waited for
    already.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def ended(process: subprocess.Popen[bytes], *, within: float = 0.0) -> bool:
    """Whether the program ends within so many seconds; unlike `wait` it leaves the process to be waited for,
    so that its group can still be signalled without the number having gone to somebody else's.
    """
    if process.returncode is not None:
        return True
    handle = os.pidfd_open(process.pid)
    try:
        return bool(select.select([handle], [], [], max(0.0, within))[0])
    finally:
        os.close(handle)


def stop(process: subprocess.Popen[bytes], *, grace: float = 5.0) -> int:
    """Asks the group to end (SIGTERM), kills what is left of it after `grace` seconds; the code as Popen
    gives it.
    """
    signal_group(process, signal.SIGTERM)
    ended(process, within=grace)
    signal_group(process, signal.SIGKILL)
    return process.wait()


def run(
    argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Result:
    """Runs `argv` to its end or for `timeout` seconds, then kills what is left of its group. Output also goes
    to `log` if given. Raises OSError when the program can't be started.
    """
    started = clock.monotonic()
    process = spawn(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, _log(log) as sink:
        tails = _collect(process, started + timeout, sink)
        timed_out = not ended(process, within=started + timeout - clock.monotonic())
        signal_group(process, signal.SIGKILL)
    code = process.returncode
    return Result(
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        out=tails[0].text(),
        err=tails[1].text(),
        timed_out=timed_out,
        seconds=clock.monotonic() - started,
    )


def _log(path: Path | None) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    return contextlib.nullcontext() if path is None else path.open("ab")


def _collect(process: subprocess.Popen[bytes], deadline: float, sink: IO[bytes] | None) -> tuple[Tail, Tail]:
    """Reads both streams until they close, the deadline is reached, or the program has ended and they are
    empty (a grandchild that keeps them open is not waited for).
    """
    tails = (Tail(), Tail())
    with selectors.DefaultSelector() as selector:
        for stream, tail in zip((process.stdout, process.stderr), tails, strict=True):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, tail)
        while selector.get_map() and (left := deadline - clock.monotonic()) > 0:
            over = ended(process)
            ready = selector.select(0 if over else min(left, 0.1))
            if over and not ready:
                break
            for key, _ in ready:
                _read(selector, key, sink)
    return tails


def _read(selector: selectors.BaseSelector, key: selectors.SelectorKey, sink: IO[bytes] | None) -> None:
    data = os.read(key.fd, 65536)
    if not data:
        selector.unregister(key.fileobj)
    key.data.feed(data)
    if sink is not None:
        sink.write(data)
