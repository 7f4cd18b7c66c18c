"""What a sandboxed program may use, and how it ended."""

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, kw_only=True)
class Limits:
    """None means unlimited. Disk is what the program *adds* to its writable folders, all together."""

    seconds: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    files: int = 100_000
    file_bytes: int | None = None
    cores: float | None = None  # processors' time a second of its own; held where a cgroup can
    processes: int = 512  # processes and threads
    open_files: int = 4096
    output_bytes: int = 256 * MIB  # all lines or events together
    line_bytes: int = MIB
    log_bytes: int = 16 * MIB  # what is kept of stdout and stderr; more is dropped, not an error
    tmp_bytes: int = GIB

    def rlimits(self) -> dict[str, int]:
        """What the kernel can hold by itself, named as in `resource` without RLIMIT_."""
        wanted = {
            "NOFILE": self.open_files,
            "CORE": 0,
            "FSIZE": self.file_bytes or self.disk_bytes,
            "MSGQUEUE": 0,
            "RTPRIO": 0,
        }
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a program ended: by itself with `code`, or by `signal` (then code is None).

    At most one of the flags from timed_out to crowded_out is the cause; the last means that the memory of the machine,
    or of a group around the program's, was full although the program kept to its limit. `killed`: by Running.kill().
    `lost`: its warm parent died under it, which is the platform's fault. `wanted_bytes` is the most memory that a
    warm parent's child had asked for, whether it had got all of it yet or not; 0 for other programs.
    """

    code: int | None
    signal: int | None = None
    peak_memory_bytes: int = 0
    wanted_bytes: int = 0
    seconds: float = 0.0
    timed_out: bool = False
    over_memory: bool = False
    over_disk: bool = False
    over_output: bool = False
    crowded_out: bool = False
    killed: bool = False
    lost: bool = False
    tail: str = ""  # the last of its stderr (once) or of both streams (warm)

    @property
    def ok(self) -> bool:
        return self.code == 0
