"""`manage.py node`: this computer works for the cooperative."""

from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.core.management.base import BaseCommand

from jobs.queue.agent import agent
from jobs.queue.tasks import queue_of
from portal.celery import app

THREADS = 4


class Command(BaseCommand):
    help = "Registers this computer as a node and runs the jobs that are sent to it, until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        worker_ready.connect(_start, weak=False)
        worker_shutting_down.connect(_stop, weak=False)
        app.worker_main(
            [
                "worker",
                "--pool=threads",
                f"--concurrency={THREADS}",
                f"--queues={queue_of(settings.NODE_NAME)}",
                f"--hostname=node@{settings.NODE_NAME}",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=WARNING",
            ]
        )


def _start(**_signal: Any) -> None:
    agent().start()


def _stop(**_signal: Any) -> None:
    agent().stop()
