"""Wake-ups. Ids in, nothing out; a lost or doubled one changes nothing, for the sweep finds the same work."""

from celery import shared_task
from kombu.exceptions import OperationalError

from jobs.datasets import lookout, validation
from portal.core import live
from portal.core.telemetry import logs

__all__ = ["lookout", "validate_version", "wake"]  # a worker that loads this module keeps a lookout


@shared_task(name="datasets.validate_version")
def validate_version(version_id: str) -> None:
    """Check the version's upload, unless it is being checked or was."""
    with logs.about(version=version_id):
        validation.validate(version_id)


def wake(version_id: str) -> None:
    """Have a worker check the version soon; else the next sweep finds it."""
    live.hint(
        f"a worker of version {version_id}",
        lambda: validate_version.apply_async((version_id,), retry=False),
        away=(OperationalError, *live.AWAY),
    )
