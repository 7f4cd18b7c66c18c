"""`manage.py node`: this computer works for the cooperative."""

from collections.abc import Callable
from typing import Any

from celery.signals import worker_shutting_down
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.queue import nodefiles
from jobs.queue.agent import agent
from jobs.queue.tasks import queue_of
from portal.celery import app
from portal.kit.errors import UserError

THREADS = 4
AGAIN_S = 1.0


class Command(BaseCommand):
    help = "Registers this computer as a node and runs the jobs that are sent to it, until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            with nodefiles.only_worker() as before:
                self._work(before)
        except UserError as error:
            raise CommandError(error.detail) from None

    def _work(self, before: str) -> None:
        """The agent first: it finds its work in the database, and the broker may be away. `before` is the worker before
        this one.
        """
        worker_shutting_down.connect(_leave, weak=False)
        agent().start(before)
        try:
            _listen()
        finally:
            agent().stop()


def _listen() -> None:
    """Celery's worker, until this process is told to stop. When it ends otherwise another begins, and what runs here
    runs on without it: over a broker that goes away in a bad moment it breaks (kombu then asks a connection that is
    closed for its address), and whoever may write to the broker can end it.
    """
    serve: Callable[[list[str]], object] = app.worker_main  # its types say that it never returns
    while not agent().stopping.is_set():
        serve(
            [
                "--quiet",
                "worker",
                "--pool=threads",
                f"--concurrency={THREADS}",
                f"--queues={queue_of(settings.NODE_NAME)}",
                f"--hostname=node@{settings.NODE_NAME}",
                "--without-gossip",
                "--without-mingle",
                f"--loglevel={settings.LOG_LEVEL}",
            ]
        )
        agent().stopping.wait(AGAIN_S)


def _leave(**_signal: Any) -> None:
    agent().leave()
