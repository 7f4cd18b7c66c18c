"""The two clocks: one to tell people and databases the time, one to measure how long something took."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This moment, aware, in UTC. It may jump when the machine's clock is set: never measure a duration with
    it.
    """
    return datetime.now(tz=UTC)


def monotonic() -> float:
    """Seconds since some fixed moment; never goes back. For durations, deadlines and leases here."""
    return time.monotonic()
