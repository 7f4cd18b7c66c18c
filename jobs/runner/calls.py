"""Which system calls a job may make: a filter for the kernel (seccomp), made here as classic BPF.

A list of what is refused, each with a reason, and a ceiling: a call that is newer than this list is refused too, as if
the kernel didn't have it, which programs are prepared for. Allowing by name instead would break TensorFlow or a
driver's library with every new release of theirs. No library: pyseccomp was last released in 2021 and needs a shared
library that many machines lack; numbers and instruction codes are the kernel's stable interface.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux 6.12; a test compares
them with the headers installed.
"""

import errno
import functools
import platform
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.kit import linux

Numbers = Mapping[str, tuple[int | None, int | None]]  # name → number on (x86-64, aarch64)

NAMESPACES: Numbers = {  # a new user namespace opens much of the kernel to those without rights
    "unshare": (272, 97), "setns": (308, 268),
}  # fmt: skip
MOUNTS: Numbers = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
}  # fmt: skip
REFUSED: Numbers = {
    # Into other processes.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # Large parts of the kernel in which the holes of the last years were, and which training has no use for.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18),
    # The kernel's keys: they know users, not namespaces.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Files by number instead of by path, which leads around mounts.
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # The machine as a whole: modules, power, swap, clock, names, kernel log, hardware ports.
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "create_module": (174, None), "query_module": (178, None), "get_kernel_syms": (177, None),
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116), "vhangup": (153, 58),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "nfsservctl": (180, 42), "uselib": (134, None), "ustat": (136, None), "sysfs": (139, None), "_sysctl": (156, None),
    # Memory that belongs to no process: a look at processes from outside misses it.
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
}  # fmt: skip
ABSENT: Numbers = {  # refused as not there, upon which libraries take another way
    "clone3": (435, 435),  # its flags lie in memory, where a filter can't look: libc falls back on clone
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
}  # fmt: skip
UNCOUNTED: Numbers = {"memfd_create": (319, 279)}  # where memory is only watched: see MemoryWatch
LOOKED_AT: Numbers = {
    "clone": (56, 220), "socket": (41, 198), "socketpair": (53, 199), "ioctl": (16, 29), "personality": (135, 92),
}  # fmt: skip
LAST_KNOWN = 456  # futex_requeue, of Linux 6.7

_MACHINES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}  # column above, AUDIT_ARCH_…
_NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_TO_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into the terminal that the portal was started from
_AS_IT_IS = (0, 0xFFFF_FFFF)  # personality: the usual one, and the question which it is

_NUMBER, _MACHINE = 0, 4  # offsets in struct seccomp_data; both words of argument i lie at 16 + 8 i
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000

Step = tuple[int, int, int, int]  # code, steps to skip if true, steps to skip if false, operand


@dataclass(frozen=True)
class _Policy:
    """What to refuse on one kind of machine."""

    column: int
    nested: bool
    watched: bool

    def numbers(self, *groups: Numbers) -> list[int]:
        found = [numbers[self.column] for group in groups for numbers in group.values()]
        return [number for number in found if number is not None]

    def steps(self) -> list[Step]:
        refused = [REFUSED] if self.nested else [REFUSED, NAMESPACES, MOUNTS]
        absent = [ABSENT, UNCOUNTED] if self.watched else [ABSENT]
        return [
            (_LOAD, 0, 0, _NUMBER),
            *_if(_IF_AT_LEAST, LAST_KNOWN + 1, _error(errno.ENOSYS)),  # the x32 calls, which have a high bit, too
            *[step for number in self.numbers(*absent) for step in _if(_IF_EQUAL, number, _error(errno.ENOSYS))],
            *[step for number in self.numbers(*refused) for step in _if(_IF_EQUAL, number, _error(errno.EPERM))],
            *self._looked_at(),
            _allow(),
        ]  # fmt: skip

    def _looked_at(self) -> list[Step]:
        def when(name: str, body: list[Step]) -> list[Step]:
            (number,) = self.numbers({name: LOOKED_AT[name]})
            return [(_IF_EQUAL, 0, len(body), number), *body]

        family = _error(errno.EAFNOSUPPORT)
        local = [_argument(0), *_if(_IF_EQUAL, socket.AF_UNIX, _allow())]
        # What interfaces there are, as libc asks: NETLINK_ROUTE and nothing else of netlink.
        route = [(_IF_EQUAL, 0, 3, socket.AF_NETLINK), _argument(2), *_if(_IF_EQUAL, 0, _allow())]
        spaces = [] if self.nested else _if(_IF_ANY_BIT, _NEW_NAMESPACES, _error(errno.EPERM))
        typing = [step for what in _TO_TERMINAL for step in _if(_IF_EQUAL, what, _error(errno.EPERM))]
        usual = [step for what in _AS_IT_IS for step in _if(_IF_EQUAL, what, _allow())]
        return [
            *when("socket", [*local, *route, family]),
            *when("socketpair", [*local, family]),
            *when("clone", [_argument(0), *spaces, _allow()]),
            *when("ioctl", [_argument(1), *typing, _allow()]),
            *when("personality", [_argument(0), *usual, _error(errno.EPERM)]),
        ]


def _argument(number: int) -> Step:
    """Its lower word: the kernel takes these arguments as 32 bits, so what is in the upper one changes nothing."""
    return (_LOAD, 0, 0, 16 + 8 * number)


def _if(test: int, operand: int, then: Step) -> list[Step]:
    return [(test, 0, 1, operand), then]


def _error(number: int) -> Step:
    return (_RETURN, 0, 0, _ERROR | number)


def _allow() -> Step:
    return (_RETURN, 0, 0, _ALLOW)


def _packed(steps: Iterable[Step]) -> bytes:
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


@functools.cache
def program(*, nested: bool = False, watched: bool = False, machine: str | None = None) -> bytes:
    """The filter for a job, as an array of struct sock_filter; empty where this machine or kernel has none.

    `nested` leaves namespaces and mounts to our own warm parent, whose children add the whole filter to it. `watched`:
    no cgroup counts the job's memory. `machine` is as `platform.machine` names it; default: this one.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None or (machine is None and not linux.can_filter_calls()):
        return b""
    column, audit = known
    # Another calling convention of the same processor has other numbers, which no check below would mean.
    front = [(_LOAD, 0, 0, _MACHINE), (_IF_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL)]
    return _packed([*front, *_Policy(column, nested, watched).steps()])
