"""Finding and opening the serial port of a board, and what to tell a person where that fails.

Python 3.9 or newer, pyserial. Errors are raised as the class that the caller gives, with lines: a sentence first, then
what to type.
"""

from __future__ import annotations

import errno
import importlib.util
import shlex
import shutil
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable

Trouble = Callable[..., Exception]

USUAL = (
    0x0403,
    0x20B7,
    0x1209,
)  # USB vendors of these boards' serial ports: FTDI, and two of open hardware's


def library(trouble: Trouble) -> Any:
    """Pyserial."""
    try:
        import serial
        import serial.tools.list_ports
    except ImportError:
        raise trouble("pyserial is missing. On this machine type:", "", *installing()) from None
    return serial


def installing() -> list[str]:
    """What installs pyserial here: the system's package where its Python takes none from PyPI (PEP 668)."""
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()
    if sys.prefix == sys.base_prefix and (managed or importlib.util.find_spec("pip") is None):
        if shutil.which("apt-get"):
            return ["    sudo apt-get install -y python3-serial"]
        return [
            "    python3 -m venv ~/gristmill",
            "    ~/gristmill/bin/python -m pip install pyserial",
            f"    ~/gristmill/bin/python {shlex.join(sys.argv)}",
        ]
    return [f"    {shlex.quote(sys.executable)} -m pip install pyserial"]


def chosen(named: str | None, trouble: Trouble) -> str:
    """The port that was named, else the only one there is that looks like a board's."""
    serial = library(trouble)
    if named:
        return named
    found = sorted(serial.tools.list_ports.comports(), key=lambda port: str(port.device))
    likely = [port for port in found if port.vid in USUAL] or [port for port in found if port.vid is not None]
    names = [str(port.device) for port in likely]
    if len(names) == 1:
        return names[0]
    if not names:
        raise trouble(
            "No serial port of a board was found. Plug it in by USB, then look which one appears:",
            "",
            "    python3 -m serial.tools.list_ports -v",
        )
    raise trouble(
        "There are several serial ports; name the board's. (An iCE40 board has two: the second one is its line.)",
        "",
        *(f"    --port {port.device}    # {port.description}" for port in likely),
    )


def opened(port: str, baud: int, trouble: Trouble) -> Any:
    """The line, for this program alone."""
    serial = library(trouble)
    try:
        line = serial.Serial(port, baud, timeout=0, write_timeout=5, exclusive=True)
    except (OSError, ValueError) as error:
        raise trouble(*unopened(port, error)) from None
    line.reset_input_buffer()
    return line


def unopened(port: str, error: BaseException) -> list[str]:
    """Why a port can't be opened, and what to type."""
    number, text = getattr(error, "errno", None), str(error)
    if number == errno.ENOENT or (
        number is None and "could not open port" in text and not Path(port).exists()
    ):
        return [
            f"There is no port {port}. Is the board plugged in? These are there:",
            "",
            "    python3 -m serial.tools.list_ports -v",
        ]
    if number == errno.EACCES:
        return [
            f"This user may not use {port}. Type this, then log out and in again:",
            "",
            f"    sudo usermod -a -G {group(port)} $USER",
        ]
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return [f"Another program uses {port}: close it (a serial monitor, another host.py), then try again."]
    return [f"{port} cannot be used as a serial port: {text}"]


def group(port: str) -> str:
    """The group that may use a port; Debian's where none may."""
    try:
        import grp

        found = Path(port).stat()
        if found.st_mode & stat.S_IRGRP and found.st_mode & stat.S_IWGRP:
            return grp.getgrgid(found.st_gid).gr_name
    except (ImportError, OSError, KeyError):
        pass
    return "dialout"
