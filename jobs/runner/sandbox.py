"""What of the sandbox really holds on this machine: tried, not assumed."""

import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from jobs.runner import bubble, calls, cgroups, trial
from jobs.runner.bubble import Box, Level
from portal.kit import process

_SECONDS = 30.0
_NO_OWN_USER = (
    "Jobs run as the portal's own user, kept from its files by the sandbox alone: a portal that root "
    "starts gives them a user of their own."
)
_NO_MEMORY_GROUP = (
    "Memory is only watched, and a job that takes too much killed a moment later: let the portal's "
    "user write a memory cgroup (systemd: Delegate=yes)."
)
_NO_PROCESS_GROUP = (
    "The number of processes is held only by a user limit: let the portal's user write a pids cgroup "
    "(systemd: Delegate=yes)."
)
_NO_CPU_GROUP = (
    "Jobs that share processors are asked to keep to their part of them, not held to it: let the portal's user write "
    "a cpu cgroup (systemd: Delegate=yes)."
)
_NOT_NESTED = (
    "Jobs of one node can see each other's folders, end each other and leave processes behind ({why}). In a container "
    "that needs systempaths=unconfined; elsewhere a portal that root does not start, or user.max_user_namespaces "
    "above 0."
)
_NO_FILTER = "System calls are not filtered: that needs a Linux kernel with seccomp on x86-64 or aarch64."
_DISK_WATCHED = (
    "Disk space is watched, not held by the kernel: a job that writes too much is killed within a second, and a "
    "single file can't pass the limit. A home on a disk of its own keeps the rest of the machine out of reach."
)
_OPEN_FILES = (
    "Jobs therefore run unconfined: they can read and change every file of the portal's user, and so the database, "
    "the keys and what other members stored."
)
_OPEN_PROCESSES = (
    "Jobs can see, read and end the portal's processes and each other's, reach the sockets of this machine's "
    "programs, and leave processes behind."
)
_OPEN_TEMPORARY = "Jobs can fill the folders for temporary files of this machine."
_OPEN_NETWORK = "Jobs can reach the network."
_NO_NETWORK = "Jobs have no network."


@dataclass(frozen=True)
class SandboxReport:
    """What was tried and found, as sentences for a steward; `missing` says what would help."""

    available: bool
    enforced: list[str]
    missing: list[str]
    level: Level = Level.NONE
    nested: bool = False  # whether children of one warm parent can be kept apart
    groups: cgroups.Hierarchy | None = None

    @property
    def counts_memory(self) -> bool:
        """Whether the kernel counts each job's memory; else it is watched."""
        return self.groups is not None and "memory" in self.groups.parents


@functools.cache
def probe() -> SandboxReport:
    """Starts a sandbox and looks at it from inside, strongest way first. Takes about 0.3 s, once in a
    process.
    """
    groups = cgroups.find()
    trouble = []
    for level in _levels():
        found, why = _try(level)
        if found is not None:
            return _report(level, found, groups)
        trouble.append(why)
    return _off(trouble, groups)


def unconfined() -> SandboxReport:
    """The report of a machine without any means of confinement: programs run as they are."""
    return _off([], None)


def without_nesting(report: SandboxReport, why: str) -> SandboxReport:
    """`report` for a warm parent that could not keep its children apart after all."""
    return replace(report, missing=[*report.missing, _NOT_NESTED.format(why=why)], nested=False)


def _levels() -> list[Level]:
    if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
        return []
    return [Level.OWN_USER, Level.SAME_USER] if os.geteuid() == 0 else [Level.SAME_USER]


def _try(level: Level) -> tuple[dict[str, Any] | None, str]:
    """(what the trial found, "") or (None, why it didn't start)."""
    with tempfile.NamedTemporaryFile(dir=os.environ.get("TMPDIR")) as canary:
        program = [sys.executable, "-m", "jobs.runner.trial", canary.name]
        argv = bubble.command(program, Box(nested=True, tmp_bytes=1 << 20), level=level)
        result = process.run(argv, timeout=_SECONDS, env=bubble.environment())
    if not result.ok:
        return None, (result.err.strip().splitlines() or ["it ended without a word"])[-1]
    found: dict[str, Any] = json.loads(result.out)
    return found, ""


def _report(level: Level, found: dict[str, Any], groups: cgroups.Hierarchy | None) -> SandboxReport:
    enforced, missing = _sorted([*_checks(level, found), *_limits(groups)])
    return SandboxReport(True, enforced, missing, level, nested=not found["nested"], groups=groups)


def _checks(level: Level, found: dict[str, Any]) -> Iterable[tuple[bool, str, str]]:
    """(whether it holds, the sentence when it does, the sentence when not)."""
    outside = trial.namespaces()
    apart = {name for name, identity in found["namespaces"].items() if identity != outside[name]}
    yield (
        "net" in apart and found["interfaces"] in (["lo"], []),
        _NO_NETWORK,
        _OPEN_NETWORK,
    )
    yield found["filtered"], "System calls that jobs have no use for are refused.", _NO_FILTER
    yield (
        "mnt" in apart and not found["canary"] and not found["root_writable"],
        "Jobs see only their own folders.",
        "Jobs can see other folders of this machine.",
    )
    yield "pid" in apart, "Jobs see only their own processes.", "Jobs can see other processes."
    yield (
        found["capabilities"] == 0 and found["no_new_privileges"],
        "Jobs have no special rights and can gain none.",
        "Jobs keep special rights.",
    )
    yield (
        set(found["environment"]) <= {*bubble.environment(), "PWD", "LC_CTYPE"},
        "Jobs inherit nothing from the portal's environment.",
        "Jobs inherit some of the portal's environment.",
    )
    yield (
        level is Level.OWN_USER,
        f"Jobs run as a user of their own ({found['user']}).",
        _NO_OWN_USER,
    )
    yield (
        not found["nested"],
        "Jobs of one node can't see each other's folders.",
        _NOT_NESTED.format(why=found["nested"]),
    )


def _limits(groups: cgroups.Hierarchy | None) -> Iterable[tuple[bool, str, str]]:
    parents = groups.parents if groups else {}
    yield (
        "memory" in parents,
        "The kernel holds each job to its memory (cgroup).",
        _NO_MEMORY_GROUP,
    )
    yield (
        "pids" in parents,
        "The kernel holds each job to its number of processes (cgroup).",
        _NO_PROCESS_GROUP,
    )
    yield (
        "cpu" in parents,
        "The kernel holds each job to its part of the processors (cgroup).",
        _NO_CPU_GROUP,
    )
    yield False, "", _DISK_WATCHED


def _off(trouble: list[str], groups: cgroups.Hierarchy | None) -> SandboxReport:
    why = "; ".join(trouble)
    reason = (
        f"bubblewrap does not work here ({why}). "
        "In a container it needs seccomp=unconfined and systempaths=unconfined."
        if trouble
        else "bubblewrap is not installed. On Debian and Ubuntu: apt install bubblewrap."
    )
    filtered = bool(calls.program())
    checks = [
        (filtered, "Jobs have no network but the sockets of this machine's programs.", _OPEN_NETWORK),
        (filtered, "System calls that jobs have no use for are refused.", _NO_FILTER),
        *_limits(groups),
    ]
    enforced, missing = _sorted(checks)
    return SandboxReport(
        False, enforced, [reason, _OPEN_FILES, _OPEN_PROCESSES, _OPEN_TEMPORARY, *missing], groups=groups
    )


def _sorted(checks: Iterable[tuple[bool, str, str]]) -> tuple[list[str], list[str]]:
    known = list(checks)
    return [yes for holds, yes, _ in known if holds], [no for holds, _, no in known if not holds]
