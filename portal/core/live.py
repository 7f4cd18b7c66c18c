"""Live updates and wake-ups through Redis. Both are hints: what they say stands in the database, and a lost one
costs a moment, never the work.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from redis import RedisError

from portal.kit import background

__all__ = ["AWAY", "RedisError", "connection", "hint", "publish", "publish_all", "ring", "wait_for"]

log = logging.getLogger(__name__)
BELL_SECONDS = 60
AWAY = (RedisError, OSError)
ANSWER_S = 5.0  # a Redis that hangs holds nobody up for longer; `wait_for` waits for less
SLOW_S = 1.0  # who refuses at once is away, and does not hang
HANGS_S = 15.0  # and is left alone for as long


@lru_cache(maxsize=1)
def connection() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=ANSWER_S, socket_connect_timeout=2)


def publish(group: str, payload: dict[str, Any]) -> None:
    """Send `payload` to the websockets of `group` once the transaction is committed."""
    publish_all([(group, payload)])


def publish_all(messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """The same for several pairs of group and payload."""
    transaction.on_commit(lambda: _send(messages), robust=True)


def ring(bell: str) -> None:
    """Wake whoever waits at `bell`, once the transaction is committed. Many rings before they wake are one."""
    transaction.on_commit(lambda: _ring(bell), robust=True)


def wait_for(bell: str, *, timeout_s: float) -> bool:
    """Wait until `bell` is rung or the time is up; whether it rang. Raises redis.RedisError when Redis is away."""
    return connection().blpop([_key(bell)], timeout=timeout_s) is not None


def _key(bell: str) -> str:
    return f"bell:{bell}"


class _Patience:
    """A Redis that hangs is waited for once, and then for a while not at all: a hint is not worth its time."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_lost(self) -> bool:
        return time.monotonic() < self._until

    def away(self, error: Exception, told: str, *, since: float) -> None:
        """Redis did not take a hint that was for `told`, asked at `since`. The time it took tells of one that hangs:
        the channel layer calls that a broken connection.
        """
        log.warning("Redis is away: %s was not told (%s)", told, type(error).__name__)
        if isinstance(error, (redis.TimeoutError, TimeoutError)) or time.monotonic() - since >= SLOW_S:
            self._until = time.monotonic() + HANGS_S


_patience = _Patience()


def hint(told: str, send: Callable[[], object], *, away: tuple[type[Exception], ...] = AWAY) -> None:
    """Have `send` tell `told` something by Redis, unless Redis hangs; `away` is what it raises while Redis is away."""
    if _patience.is_lost:
        return
    asked = time.monotonic()
    try:
        send()
    except away as error:
        _patience.away(error, told, since=asked)


def _ring(bell: str) -> None:
    with connection().pipeline() as pipe:
        pipe.delete(_key(bell))
        pipe.rpush(_key(bell), "1")
        pipe.expire(_key(bell), BELL_SECONDS)
        hint(bell, pipe.execute)


def _send(messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
    if not (layer := get_channel_layer()):
        return

    async def send() -> None:
        for group, payload in messages:
            await layer.group_send(group, {"type": "forward", "payload": payload})

    told = ", ".join(group for group, _payload in messages[:1])
    # In a loop that stays: the layer opens connections for each loop, which takes far longer than to send.
    hint(told, lambda: background.run(send(), timeout_s=ANSWER_S))
