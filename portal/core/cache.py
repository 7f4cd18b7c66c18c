"""Django's cache in Redis, for whom it is no reason to fail: rate limits of the sign-in, and what else may be lost."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

log = logging.getLogger(__name__)


class ForgivingCache(RedisCache):
    """While Redis is away each process keeps a small cache of its own, so that limits hold in each of them: they
    neither vanish, nor lock everyone out.
    """

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("while redis is away", {})

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._try(super().get, self._own.get, key, default, version)

    def set(
        self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._try(super().set, self._own.set, key, value, timeout, version)

    def add(
        self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(self._try(super().add, self._own.add, key, value, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._try(super().delete, self._own.delete, key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """ValueError when there is nothing to add to."""
        return int(self._try(super().incr, self._own.incr, key, delta, version))

    def _try(self, shared: Callable[..., Any], own: Callable[..., Any], *args: Any) -> Any:
        try:
            return shared(*args)
        except RedisError as error:
            log.warning("Redis is away (%s): this process keeps its own limits", type(error).__name__)
            return own(*args)
