"""The few system calls that Python has no function for. Linux only; each raises OSError with the kernel's
reason.
"""

import ctypes
import errno
import os

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_LINUX_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None
) -> None:
    done = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), flags, _bytes(options))
    _check(done, f"mount {source} on {target}")


def pivot_root(new: str, old: str) -> None:
    _check(_libc.pivot_root(_bytes(new), _bytes(old)), "pivot_root")


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(_bytes(target), flags), f"umount {target}")


def die_with_parent(signal: int) -> None:
    """`signal` comes when the *thread* that started this process ends. Lost on a change of user or
    capabilities.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl pdeathsig")


def no_new_privileges() -> None:
    """From here on no program that is executed can gain rights (set-user-id, file capabilities)."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl no_new_privs")


def not_dumpable() -> None:
    """No core file, and no tracing or reading of this process's memory by others of the same user."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl dumpable")


def drop_capabilities() -> None:
    """Gives up every capability for good: bounding, ambient, permitted, effective and inheritable sets."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last one this kernel knows, or no right to drop: capset below is what counts
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def can_filter_calls() -> bool:
    """Whether this kernel takes filters of system calls: asked with none, it complains of its address, not of the
    question.
    """
    asked = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, 0, 0, 0)
    return bool(asked != 0 and ctypes.get_errno() == errno.EFAULT)


def filter_calls(program: bytes) -> None:
    """From here on this thread, and what it starts, makes only the system calls that `program` allows: an array of
    struct sock_filter. For good. Needs `no_new_privileges`.
    """

    class Program(ctypes.Structure):  # struct sock_fprog
        _fields_ = (("steps", ctypes.c_ushort), ("first", ctypes.c_char_p))

    pointer = ctypes.pointer(Program(len(program) // 8, program))
    address = ctypes.cast(pointer, ctypes.c_void_p).value or 0
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address, 0, 0), "prctl seccomp")
