"""Who is killed, and when: by a seed, so that the same kills can be had again."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

WEIGHTS = {"redis": 1.0, "scheduler": 1.0, "north": 1.0, "south": 1.0, "west": 1.0}


@dataclass(frozen=True)
class Kill:
    """A part that was killed at this time of day, in seconds since the epoch."""

    part: str
    at: float


class Monkey(threading.Thread):
    """Kills a part after the other, one every `every_s` seconds on average, until told to stop."""

    def __init__(self, kill: Callable[[str], bool], *, seed: int, every_s: float) -> None:
        super().__init__(name="monkey", daemon=True)
        self.kills: list[Kill] = []
        self._kill = kill
        self._random = random.Random(seed)
        self._every_s = every_s
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._random.uniform(0.5, 1.5) * self._every_s):
            (part,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
            at = time.time()
            if self._kill(part):
                self.kills.append(Kill(part, at))

    def stop(self) -> None:
        self._over.set()
        self.join()
