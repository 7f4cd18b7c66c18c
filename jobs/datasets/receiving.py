"""A request's body onto the disk: one block is written and hashed in a thread while the next one comes in.

At most three blocks are in memory, however large the body and however slow the disk.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any

from jobs.datasets.parts import Digest, Part

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BLOCK_BYTES = 1024 * 1024
BLOCK_SECONDS = 1.0
"""A slow sender's bytes are written at least this often."""
IDLE_SECONDS = 20.0
"""A sender who is silent for longer has gone: the connection counts as broken, so that they can come back."""


class Ending(enum.Enum):
    COMPLETE = "complete"
    BROKEN = "broken"
    TOO_LONG = "too long"


class Intake:
    """Takes one body into `part`, at most `most` bytes, and feeds `check` with it."""

    def __init__(self, part: Part, *, most: int, check: Digest | None, pool: Executor) -> None:
        self._part, self._most, self._check, self._pool = part, most, check, pool
        self._writing: asyncio.Future[None] | None = None

    async def run(self, receive: Receive) -> Ending:
        """How it ended; all that came (and fits) is then on disk. OSError when the disk would not take it."""
        try:
            return await self._blocks(receive)
        finally:
            if self._writing is not None:
                await asyncio.wait([self._writing])

    async def _blocks(self, receive: Receive) -> Ending:
        clock = asyncio.get_running_loop().time
        ending, block, taken, began = None, bytearray(), 0, clock()
        while ending is None:
            piece, ending = await _next(receive)
            block += piece
            taken += len(piece)
            if taken > self._most:
                return Ending.TOO_LONG
            if ending is not None or len(block) >= BLOCK_BYTES or clock() - began > BLOCK_SECONDS:
                await self._hand_over(block)
                block, began = bytearray(), clock()
        await self._written()
        return ending

    async def _hand_over(self, block: bytearray) -> None:
        await self._written()
        if block:
            self._writing = asyncio.get_running_loop().run_in_executor(self._pool, self._write, block)

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    def _write(self, block: bytearray) -> None:
        self._part.write(block)
        if self._check is not None:
            self._check.update(block)


async def _next(receive: Receive) -> tuple[bytes, Ending | None]:
    """The next piece of the body, and how it ended if it did."""
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            message = await receive()
    except TimeoutError:
        return b"", Ending.BROKEN
    if message["type"] != "http.request":
        return b"", Ending.BROKEN
    return message.get("body", b""), None if message.get("more_body", False) else Ending.COMPLETE
