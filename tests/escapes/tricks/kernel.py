"""Asking the kernel for more."""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def refused(asked: Found) -> Found:
    """Which of the calls `numbers` (name → number) are answered by more than a refusal."""
    libc = ctypes.CDLL(None, use_errno=True)
    answered = {}
    for name, number in asked["numbers"].items():
        ctypes.set_errno(0)
        # Addresses and sizes that lead nowhere: a call that is let through fails on them, but otherwise.
        got = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        reason = ctypes.get_errno()
        if got >= 0 or reason not in {errno.EPERM, errno.ENOSYS}:
            answered[name] = errno.errorcode.get(reason, "worked")
    return {"answered": answered}


def namespaces(asked: Found) -> Found:
    """New namespaces, in every way there is."""
    del asked
    libc = ctypes.CDLL(None, use_errno=True)
    flags = {"user": 0x10000000, "mnt": 0x20000, "net": 0x40000000, "pid": 0x20000000, "cgroup": 0x02000000}
    made = [f"unshare {name}" for name, flag in flags.items() if libc.unshare(flag) == 0]
    made += [f"clone {name}" for name, flag in flags.items() if _cloned(flag)]
    for name in flags:
        path = Path(f"/proc/1/ns/{name}")
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        made += [f"setns {name}"] if libc.setns(handle, 0) == 0 else []
    return {"made": made}


def _cloned(flag: int) -> bool:
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    pid = ctypes.CDLL(None, use_errno=True).syscall(
        ctypes.c_long(number), ctypes.c_long(flag | signal.SIGCHLD), 0, 0, 0, 0
    )
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
    return bool(pid > 0)


def mounts(asked: Found) -> Found:
    """Mounts made, changed and taken away; all in the job's own folder, should one ever work."""
    libc = ctypes.CDLL(None, use_errno=True)
    out = os.fsencode(asked["out"])
    tries = {
        "tmpfs": lambda: libc.mount(b"tmpfs", out, b"tmpfs", 0, None),
        "bind": lambda: libc.mount(b"/usr", out, None, 4096, None),
        "proc": lambda: libc.mount(b"proc", out, b"proc", 0, None),
        "writable": lambda: libc.mount(None, b"/usr", None, 32 | 4096, None),
        "writable input": lambda: libc.mount(None, os.fsencode(asked["input"]), None, 32 | 4096, None),
        "away": lambda: libc.umount2(out, 2),
        "pivot": lambda: libc.pivot_root(out, out),
        "tree": lambda: libc.syscall(428, -100, out, 1),
        "fsopen": lambda: libc.syscall(430, b"tmpfs", 0),
        "setattr": lambda: libc.syscall(442, -100, out, 0, b"\0" * 32, 32),
    }
    return {"worked": [name for name, what in tries.items() if what() >= 0]}


def settings(asked: Found) -> Found:
    """Settings of the machine changed, to what they are."""
    del asked
    names = [
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/printk",
        "/proc/sys/vm/overcommit_memory", "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/modprobe",
        "/proc/sys/fs/suid_dumpable", "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/uevent_helper",
    ]  # fmt: skip
    changed = []
    for name in names:
        try:
            text = Path(name).read_text(encoding="ascii")
            Path(name).write_text(text, encoding="ascii")
        except (OSError, ValueError):
            continue
        changed.append(name)
    openable = [name for name in ("/proc/sysrq-trigger",) if _opens(name, os.O_WRONLY)]
    return {"changed": changed + openable}


def devices(asked: Found) -> Found:
    """Devices and files through which the whole machine can be seen."""
    del asked
    names = [
        "/dev/kvm", "/dev/mem", "/dev/kmsg", "/dev/port", "/dev/fuse", "/dev/vda", "/dev/sda", "/dev/loop0",
        "/dev/loop-control", "/dev/net/tun", "/dev/btrfs-control", "/dev/vsock", "/dev/tty0", "/dev/tty1",
        "/dev/console", "/dev/dri/card0", "/dev/nvidia0", "/dev/userfaultfd", "/dev/cpu_dma_latency", "/proc/kmsg",
        "/sys/kernel/debug", "/sys/fs/cgroup", "/sys/firmware", "/sys/kernel/security",
    ]  # fmt: skip
    found = [name for name in names if _opens(name, os.O_RDONLY)]
    return {"opened": [*found, *(["/proc/kcore"] if _reads("/proc/kcore") else [])]}


def kernel_log(asked: Found) -> Found:
    del asked
    buffer = ctypes.create_string_buffer(4096)
    return {"bytes": ctypes.CDLL(None, use_errno=True).klogctl(3, buffer, 4096)}


def type_into_terminal(asked: Found) -> Found:
    """A command typed into the terminal that the portal was started from; upper bits of the request set, too."""
    del asked
    libc = ctypes.CDLL(None, use_errno=True)
    typed = []
    main, side = os.openpty() if os.path.exists("/dev/ptmx") else (-1, -1)  # noqa: PTH110
    for handle in {0, 1, 2, side}:
        for request in (0x5412, 0x541C, 0x100005412):
            ctypes.set_errno(0)
            got = libc.ioctl(ctypes.c_int(handle), ctypes.c_ulong(request), ctypes.c_char_p(b"x"))
            if got >= 0:
                typed.append([handle, request])
    del main
    return {"typed": typed}


def rights(asked: Found) -> Found:
    """Rights gained: set-user-id programs, capabilities, another user."""
    del asked
    tries = {"root": lambda: os.setuid(0), "group": lambda: os.setgid(0), "groups": lambda: os.setgroups([0])}
    gained = []
    for name, what in tries.items():
        try:
            what()
        except OSError:
            continue
        gained.append(name)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    none = all(int(fields[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
    return {"gained": gained, "no capability": none, "none to come": fields["NoNewPrivs"] == "1"}


def other_convention(asked: Found) -> Found:
    """The calls of a 32-bit program: getpid by `int 0x80`, and of x32. In a child, which the kernel may kill."""
    del asked
    pid = os.fork()
    if pid == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        os._exit(0 if ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0 else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    x32 = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(0x40000000 + 39))
    return {"exit": status, "x32": x32}


def _opens(path: str, flags: int) -> bool:
    try:
        handle = os.open(path, flags | os.O_NONBLOCK)
    except OSError:
        return False
    fcntl.fcntl(handle, fcntl.F_GETFL)
    os.close(handle)
    return True


def _reads(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return bool(file.read(16))
    except OSError:
        return False
