"""Wake-ups. Ids in, nothing out; a lost or doubled one changes nothing, for the sweep finds the same work."""

import logging

from celery import shared_task
from kombu.exceptions import OperationalError

from jobs.datasets import lookout, validation
from portal.core.telemetry import logs

log = logging.getLogger(__name__)
__all__ = ["lookout", "validate_version", "wake"]  # a worker that loads this module keeps a lookout


@shared_task(name="datasets.validate_version")
def validate_version(version_id: str) -> None:
    """Check the version's upload, unless it is being checked or was."""
    with logs.about(version=version_id):
        validation.validate(version_id)


def wake(version_id: str) -> None:
    """Have a worker check the version soon."""
    try:
        validate_version.apply_async((version_id,), retry=False)
    except (OperationalError, OSError):
        log.warning("the broker is away: version %s will be checked after the next sweep", version_id)
