"""A bounded map over threads: what decodes releases the interpreter's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

BATCH_ITEMS: Final = 16
"""Handed over at once: a hand-over costs about as much as decoding a small picture."""
BATCH_WEIGHT: Final = 4 * 1024 * 1024


def default_workers() -> int:
    """One a core, at most 4: every worker may hold a large picture."""
    return min(4, os.cpu_count() or 1)


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], *, workers: int, weight: Callable[[T], int]
) -> Iterator[R]:
    """`function` of each item, in order, on `workers` threads (1: none).

    `weight` is an item's size in bytes. At most 2 batches a worker wait, of about 4 MiB or one larger item.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[list[R]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for batch in _batches(items, weight):
                waiting.append(pool.submit(_all, function, batch))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: Iterable[T], weight: Callable[[T], int]) -> Iterator[list[T]]:
    batch: list[T] = []
    held = 0
    for item in items:
        batch.append(item)
        held += weight(item)
        if len(batch) >= BATCH_ITEMS or held >= BATCH_WEIGHT:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _all(function: Callable[[T], R], batch: list[T]) -> list[R]:
    return [function(item) for item in batch]
