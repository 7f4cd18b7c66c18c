"""`/metrics`: everything counted, in Prometheus's text format or OpenMetrics as the asker prefers.

What the database knows is the same whichever web process is asked, and survives restarts; what a web process counts
about itself (`gristmill_http_…`, `process_…`) is its own.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from portal.core import leases
from portal.core.telemetry import instruments
from portal.site.metrics import machine, platform, queue
from portal.site.metrics.families import gauge

_one_at_a_time = threading.Lock()


class _Portal(Collector):
    """Asks the database, the broker and the disk anew. What does not answer is told as such, and the rest is given."""

    def collect(self) -> Iterator[Metric]:
        started = time.monotonic()
        queues = [] if (found := self._from_database()) is None else platform.queues()
        yield gauge("database_up", "Whether the database answers.", float(found is not None))
        yield from found or []
        yield from platform.broker(queues)
        yield from platform.disk()
        yield gauge("web_threads", "Threads of this web process.", threading.active_count())
        yield gauge("scrape_seconds", "What gathering all this took.", time.monotonic() - started)

    def describe(self) -> list[Metric]:
        return []  # else registering would already ask the database

    def _from_database(self) -> list[Metric] | None:
        try:
            seconds = platform.ping_database()
            now = leases.clock()
            found = [*queue.collect(now), *machine.collect(now), *platform.collect(now)]
        except DatabaseTrouble:
            return None
        return [*found, gauge("database_ping_seconds", "A question to the database and its answer.", seconds)]


def _registry() -> CollectorRegistry:
    """Collected in this order: the portal brings its waits up to date."""
    registry = CollectorRegistry()
    registry.register(_Portal())
    registry.register(queue.WAITS)
    registry.register(instruments.OWN)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


everything = _registry()


def render(accept: str) -> tuple[bytes, str]:
    """The text, and its content type. One scrape at a time."""
    encode, kind = choose_encoder(accept)
    with _one_at_a_time:
        close_old_connections()
        try:
            return encode(everything), kind
        finally:
            with contextlib.suppress(DatabaseTrouble):
                close_old_connections()
