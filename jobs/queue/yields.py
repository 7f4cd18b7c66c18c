"""What a job led to, as higher rooms tell it (`jobs.queue.kinds`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Yield:
    """What a job led to: the id of its model, and the ids of the bundles built of it."""

    model: str | None = None
    bundles: tuple[str, ...] = ()
