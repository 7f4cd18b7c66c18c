"""An event loop in a thread of its own, one for each process: for programs without one that call what is async now and
then, and whose connections are to outlast a call.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a thread does not come along when one forks


def run(work: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
    """What `work` returns or raises. TimeoutError when it takes longer; it is cancelled then. Not to be called from
    the loop itself.
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(timeout_s)
    except TimeoutError:
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if (found := _loops.get(os.getpid())) is None:
            found = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=found.run_forever, name="background", daemon=True).start()
        return found
