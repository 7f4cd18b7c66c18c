"""`python -m jobs.runner.warm_main`: the warm parent. Imports what is slow to import, then forks a child per
request.

It never runs a TensorFlow operation, reads no member's data, and starts no thread: each would break or
endanger its children. It lives inside the sandbox and ends when its socket closes.
"""

import array
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from typing import Any

from jobs.runner import calls, child, confine

HANDLES = 5
MESSAGE_BYTES = 65_536


def main(argument: str) -> None:
    """`argument` is JSON: fd (socket to the supervisor), preload (module names), target ("module:function"),
    confine, and watched (no cgroup counts the children's memory).
    """
    config: dict[str, Any] = json.loads(argument)
    link = socket.socket(fileno=config["fd"])
    why = confine.trial() if config["confine"] else "there is no sandbox"
    started = time.monotonic()
    try:
        target = _load(config["preload"], config["target"])
    except ImportError as error:
        link.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:2000]}).encode())
        sys.exit(1)
    calls.program(watched=config["watched"])  # made once, for all children
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every page the children share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel; their keepers report
    link.send(json.dumps({"ready": True, "why": why, "seconds": time.monotonic() - started}).encode())
    _serve(link, target)


def _load(preload: list[str], target: str) -> child.Target:
    for name in preload:
        importlib.import_module(name)
    module, _, function = target.partition(":")
    found: child.Target = getattr(importlib.import_module(module), function)
    return found


def _serve(link: socket.socket, target: child.Target) -> None:
    while True:
        message, handles = receive(link)
        if not message:
            return
        if len(handles) == HANDLES:
            request = child.Handles(*handles)
            child.fork(request, target, link.fileno())
            request.close()


def receive(link: socket.socket) -> tuple[bytes, list[int]]:
    """One message and the descriptors that came with it; an empty message when the other side is gone."""
    numbers = array.array("i")
    message, extra, _, _ = link.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(HANDLES * numbers.itemsize))
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    for number in numbers:
        os.set_inheritable(number, False)
    return message, list(numbers)


if __name__ == "__main__":
    main(sys.argv[1])
