"""What the portal stands on, in figures: the store, uploads and their checks, the database, the broker."""

import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min, Q, Sum
from prometheus_client.metrics_core import Metric
from redis import RedisError

from hardware.nodes.models import Node
from jobs.datasets.models import Upload, Version, VersionState
from jobs.queue.tasks import queue_of
from portal.core import live
from portal.core.models import Blob
from portal.core.telemetry import swept
from portal.site.metrics.families import counters, each, gauge, gauges

STORE_KEPT_S = 60.0


def collect(now: datetime) -> Iterator[Metric]:
    """What the database knows; `now` is its own."""
    yield from _uploads()
    yield from _validations(now)
    yield from store.collect()


def _uploads() -> Iterator[Metric]:
    found = Upload.objects.filter(version=None).aggregate(n=Count("pk"), promised=Sum("length"))
    yield gauge("uploads_open", "Uploads that are not complete.", found["n"])
    yield gauge("uploads_open_bytes", "Bytes that open uploads will have.", found["promised"] or 0)


def _validations(now: datetime) -> Iterator[Metric]:
    found = Version.objects.filter(state=VersionState.VALIDATING).aggregate(
        n=Count("pk"),
        held=Count("pk", filter=Q(lease_expires_at__gte=now)),
        since=Min("created_at"),
        tries=Max("tries"),
    )
    age = (now - found["since"]).total_seconds() if found["since"] else 0.0
    yield gauge("validation_backlog", "Versions that are not checked yet.", found["n"])
    yield gauge("validation_running", "Versions being checked.", found["held"])
    yield gauge("validation_oldest_seconds", "Age of the oldest version not checked yet.", max(0.0, age))
    yield gauge(
        "validation_tries_max", "Most tries that an unchecked version has taken.", found["tries"] or 0
    )


class _Store:
    """Sums over the whole store, which change slowly: asked once a minute."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}
        self._until = 0.0

    def collect(self) -> Iterator[Metric]:
        if time.monotonic() >= self._until:
            condemned = Q(condemned_at__isnull=False)
            self._found = Blob.objects.aggregate(
                n=Count("pk"), all=Sum("bytes"), condemned=Sum("bytes", filter=condemned)
            )
            self._until = time.monotonic() + STORE_KEPT_S
        yield gauge("storage_blobs", "Things in the store.", self._found["n"])
        yield gauge("storage_bytes", "Bytes in the store.", self._found["all"] or 0)
        about = "Bytes in the store that nothing uses, freed soon."
        yield gauge("storage_condemned_bytes", about, self._found["condemned"] or 0)


store = _Store()


def disk() -> Iterator[Metric]:
    """The file system of the home."""
    usage = shutil.disk_usage(settings.HOME)
    yield gauge("home_free_bytes", "Bytes free where the home lies.", usage.free)
    yield gauge("home_size_bytes", "Bytes of the file system where the home lies.", usage.total)


def ping_database() -> float:
    """Seconds for a question and its answer."""
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return time.monotonic() - started


def broker(queues: list[str]) -> Iterator[Metric]:
    """Redis: whether it answers and how fast, the messages that wait in it, and what the sweeps counted there."""
    started = time.monotonic()
    try:
        live.connection().ping()
        seconds = time.monotonic() - started
        with live.connection().pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(queue)
            lengths = pipe.execute()
        found = swept.counts()
    except (RedisError, OSError):
        yield gauge("broker_up", "Whether Redis answers.", 0)
        return
    yield gauge("broker_up", "Whether Redis answers.", 1)
    yield gauge("broker_ping_seconds", "A question to Redis and its answer.", seconds)
    waiting = each(zip(queues, lengths, strict=True))
    yield gauges("broker_messages", "Messages waiting, by queue.", ["queue"], waiting)
    yield counters("swept", "Found by the sweeps, by what.", ["what"], each(found.items()))


def queues() -> list[str]:
    """Every Celery queue that somebody listens on."""
    names = Node.objects.order_by("name").values_list("name", flat=True)
    return [str(settings.CELERY["task_default_queue"]), *map(queue_of, names)]
