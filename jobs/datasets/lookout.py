"""A helper worker looks for uploads to check by itself: its messages only hasten it, and the broker may be away."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from celery.signals import celeryd_init
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connections

from jobs.datasets import validation
from portal.core.telemetry import logs

log = logging.getLogger(__name__)
LOOK_S = 10.0


class Lookout(threading.Thread):
    """Checks what was found waiting at two looks in a row: a message would have brought it by then."""

    def __init__(self) -> None:
        super().__init__(name="lookout", daemon=True)
        self._seen: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self.look()
            except DatabaseTrouble:
                log.warning("the database can't be reached: looking again")
            except Exception:
                log.exception("the lookout failed: looking again")
            finally:
                connections.close_all()

    def look(self) -> int:
        """One look; how many versions were checked."""
        due = validation.due()
        overlooked, self._seen = [each for each in due if each in self._seen], set(due)
        for version_id in overlooked:
            with logs.about(version=version_id):
                validation.validate(version_id)
        return len(overlooked)


@celeryd_init.connect
def begin(options: Mapping[str, Any], **_signal: Any) -> None:
    """A worker starts: one that is to check uploads keeps a lookout."""
    queues = options.get("queues") or ()
    if settings.CELERY["task_default_queue"] in (queues.split(",") if isinstance(queues, str) else queues):
        Lookout().start()
