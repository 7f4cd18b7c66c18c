"""Runs one program in a sandbox of its own from start to end, under limits: validation, export, member
scripts.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from jobs.runner import bubble, cgroups, lend, sandbox
from jobs.runner.bubble import Box, Level
from jobs.runner.guard import Guard, Lines, Log, OverOutputError, Pump
from jobs.runner.limits import Exit, Limits
from jobs.runner.mounts import Mounts
from jobs.runner.sandbox import SandboxReport
from jobs.runner.watch import descendants, strike
from portal.kit import process as kit_process

_SIGNAL_BASE = 128  # bubblewrap, like a shell, exits with this plus the signal that ended its program


def run(
    argv: Sequence[str],
    *,
    read_only: Mapping[Path, str] | None = None,
    writable: Mapping[Path, str] | None = None,
    limits: Limits,
    on_line: Callable[[str], None] = lambda _: None,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    report: SandboxReport | None = None,
) -> Exit:
    """Runs `argv` (inside paths) and returns when it, and all that it started, has ended.

    `read_only` and `writable` map host files or folders to the absolute paths under which the program sees
    them; the rest of the host it does not see, but for the system, Python and this code. `on_line` gets each
    line of stdout, in the calling thread; when it raises, the program is killed and the error goes on to the
    caller. stderr goes to `log`, its end to Exit.tail. Its standard input is empty, its working folder a
    private /tmp. `report` is what to rely on instead of this machine's `sandbox.probe`. Raises
    FileNotFoundError when a host path is missing.
    """
    report = report or sandbox.probe()
    level = report.level
    mounts = Mounts(read_only or {}, writable or {})
    if level is Level.OWN_USER:
        _lend(mounts)
    box = Box(
        mounts=mounts,
        tmp_bytes=limits.tmp_bytes,
        rlimits=_rlimits(limits, level),
        watched=not report.counts_memory,
    )
    group = cgroups.create(
        report.groups, memory_bytes=limits.memory_bytes, processes=limits.processes, cores=limits.cores
    )
    guard = Guard(limits, group, mounts.writable)
    process = kit_process.spawn(
        bubble.command(argv, box, level=level, group=group),
        env=bubble.environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    guard.attach(process.pid, forked=False, private=level is not Level.NONE)
    with _killed_at_the_end(process, guard):
        tail = _follow(process, guard, Lines(limits, on_line), Log(log, limits.log_bytes))
    return _exit(process, guard, tail, sandboxed=level is not Level.NONE)


def _rlimits(limits: Limits, level: Level) -> dict[str, int]:
    """In a user namespace of its own a program's processes are counted apart; outside, with all of that
    user's.
    """
    own = {} if level is Level.NONE else {"NPROC": limits.processes}
    return {**limits.rlimits(), **own}


def _lend(mounts: Mounts) -> None:
    for host, _, writable in mounts.pairs():
        (lend.write if writable else lend.read)(host, bubble.sandbox_uid())


@contextlib.contextmanager
def _killed_at_the_end(process: subprocess.Popen[bytes], guard: Guard) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _kill(process)
        process.wait()
        guard.close(ok=False)
        raise
    _kill(process)
    process.wait()


def _follow(process: subprocess.Popen[bytes], guard: Guard, lines: Lines, log: Log) -> str:
    """Until the program ends, or breaks a limit and is killed; the end of its stderr."""
    pump = Pump()
    for stream, sink in ((process.stdout, lines.feed), (process.stderr, log.feed)):
        if stream is not None:
            pump.add(os.dup(stream.fileno()), sink)
            stream.close()
    try:
        _pump(process, guard, pump)
        if not guard.cause:
            lines.finish()
    except OverOutputError:
        guard.blame("over_output")
    finally:
        pump.close()
        log.close()
    return log.tail.text()


def _pump(process: subprocess.Popen[bytes], guard: Guard, pump: Pump) -> None:
    while not guard.look():
        over = kit_process.ended(process)
        # An ended program's last words are read, but a grandchild that keeps the pipes open is not waited
        # for.
        read = pump.turn(0) if over or not pump.open else pump.turn()
        if over and not read:
            return
        if not pump.open:
            kit_process.ended(process, within=0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the program with all that it started, and waits until they are gone."""
    below = descendants(process.pid)
    kit_process.signal_group(process, signal.SIGKILL)
    strike(below)


def _exit(process: subprocess.Popen[bytes], guard: Guard, tail: str, *, sandboxed: bool) -> Exit:
    seconds = guard.seconds
    peak = guard.close(ok=process.returncode == 0)
    code, number = _how(process.returncode, sandboxed=sandboxed)
    cause = {guard.cause: True} if guard.cause else {}
    return Exit(code=code, signal=number, peak_memory_bytes=peak, seconds=seconds, tail=tail, **cause)


def _how(returned: int, *, sandboxed: bool) -> tuple[int | None, int | None]:
    """(exit code, signal), one of them None."""
    if returned < 0:
        return None, -returned
    if sandboxed and returned > _SIGNAL_BASE:
        return None, returned - _SIGNAL_BASE
    return returned, None
