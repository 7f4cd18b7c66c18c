"""Django's cache in Redis, for whom it is no reason to fail: rate limits of the sign-in, and what else may be lost."""

import logging
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

log = logging.getLogger(__name__)


class ForgivingCache(RedisCache):
    """While Redis is away it holds nothing and keeps nothing: `add` finds the place free, `incr` nothing to add to."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError:
            return self._without(default)

    def set(
        self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        try:
            super().set(key, value, timeout, version)
        except RedisError:
            self._without(None)

    def add(
        self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        try:
            return super().add(key, value, timeout, version)
        except RedisError:
            return bool(self._without(default=True))  # who takes a lock so has to get it

    def delete(self, key: Any, version: int | None = None) -> bool:
        try:
            return super().delete(key, version)
        except RedisError:
            return bool(self._without(default=False))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        try:
            return super().incr(key, delta, version)
        except RedisError:
            raise ValueError(key) from self._without(None)

    def _without(self, default: Any) -> Any:
        log.warning("Redis is away: the cache is empty")
        return default
