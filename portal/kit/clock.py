"""The clocks: one to tell people and databases the time, two to measure how long something took."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This moment, aware, in UTC. It may jump when the machine's clock is set: never measure a duration with
    it.
    """
    return datetime.now(tz=UTC)


def monotonic() -> float:
    """Seconds since some fixed moment; never goes back. For durations and deadlines here. On Linux it stands still
    while the machine sleeps.
    """
    return time.monotonic()


def boottime() -> float:
    """The same, but it goes on while the machine sleeps, where the kernel has such a clock (Linux: CLOCK_BOOTTIME). For
    leases, which run out on another machine meanwhile.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
