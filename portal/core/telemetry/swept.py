"""What the sweeps found, told to stewards: a line in the log, and a count that `/metrics` shows.

The counts are in Redis: hints, like all that is there. Where it loses them they begin again at nothing, which readers
of counters know.
"""

import logging
from collections.abc import Callable

from redis import RedisError

from portal.core import live

log = logging.getLogger("gristmill.sweep")
KEY = "gristmill:swept"


def told(what: str, sweep: Callable[[], int]) -> Callable[[], int]:
    """The sweep, which says how much of `what` it found whenever that is something."""

    def work() -> int:
        if found := sweep():
            log.info("swept: %d %s", found, what, extra={"what": what, "count": found})
            _count(what, found)
        return found

    return work


def counts() -> dict[str, int]:
    """How much was swept, by what. Raises RedisError when Redis is away."""
    found: dict[bytes, bytes] = live.connection().hgetall(KEY)  # type: ignore[assignment] # not the asynchronous one
    return {what.decode(): int(number) for what, number in found.items()}


def _count(what: str, found: int) -> None:
    try:
        live.connection().hincrby(KEY, what, found)
    except (RedisError, OSError):
        log.debug("Redis is away: the count of what was swept misses %d %s", found, what)
