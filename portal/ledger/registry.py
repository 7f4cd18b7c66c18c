"""What higher rooms count for the ledger: they register here when they start (`AppConfig.ready`)."""

from collections.abc import Callable

from portal.members.models import Member

Counter = Callable[[Member], int]

STORAGE: dict[str, Counter] = {}
JOBS: dict[str, Counter] = {}


def count_storage(counter: Counter) -> Counter:
    """Register what tells the bytes that a member's things take. The same function twice counts once."""
    STORAGE[_name(counter)] = counter
    return counter


def count_jobs(counter: Counter) -> Counter:
    """Register what tells how many of a member's jobs hold an accelerator now."""
    JOBS[_name(counter)] = counter
    return counter


def _name(counter: Counter) -> str:
    return f"{counter.__module__}.{counter.__qualname__}"
