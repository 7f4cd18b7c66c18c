"""What higher rooms count for the ledger: they register here when they start (`AppConfig.ready`)."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from portal.members.models import Member


@dataclass(frozen=True)
class Held:
    """An accelerator that an attempt has: its member (by id), the class, since when its engine runs, the price."""

    member: str
    kind: str
    since: datetime
    price: float

    def seconds(self, since: datetime, now: datetime) -> float:
        """How long it has been held by `now`, after `since`."""
        return max(0.0, (now - max(self.since, since)).total_seconds())


Counter = Callable[[Member], int]
Holder = Callable[[Collection[str] | None], Iterable[Held]]

STORAGE: dict[str, Counter] = {}
JOBS: dict[str, Counter] = {}
HELD: dict[str, Holder] = {}
RIVALS: dict[str, Callable[[], Iterable[str]]] = {}


def count_storage(counter: Counter) -> Counter:
    """Register what tells the bytes that a member's things take. The same function twice counts once."""
    STORAGE[_name(counter)] = counter
    return counter


def count_jobs(counter: Counter) -> Counter:
    """Register what tells how many of a member's jobs hold an accelerator now."""
    JOBS[_name(counter)] = counter
    return counter


def count_held(holder: Holder) -> Holder:
    """Register what tells the accelerators that these members (by id; None: all) hold now, perhaps with others'."""
    HELD[_name(holder)] = holder
    return holder


def count_rivals(rivals: Callable[[], Iterable[str]]) -> Callable[[], Iterable[str]]:
    """Register what tells the members (by id) who have jobs that wait or run: who goes first is weighed among these."""
    RIVALS[_name(rivals)] = rivals
    return rivals


def _name(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
