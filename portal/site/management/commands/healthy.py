"""`manage.py healthy ROLE`: for the health checks of containers and service managers."""

import json
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from kombu.exceptions import OperationalError
from redis import RedisError

from portal.celery import app
from portal.core import live
from portal.core.telemetry import beats
from portal.site.probes import READY

PATIENCE_S = 10.0
LATE_S = 60.0
Verdict = tuple[bool, str]


class Command(BaseCommand):
    help = "Whether a part of the portal works here: exit 0 or 1, with a sentence."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=["web", "scheduler", "helper", "node"])
        parser.add_argument("--port", type=int, default=8000, help="where the web process listens")

    def handle(self, *_args: Any, role: str, port: int, **_options: Any) -> None:
        roles: dict[str, Callable[[], Verdict]] = {
            "web": lambda: web(port),
            "scheduler": lambda: beating("scheduler"),
            "helper": helper,
            "node": lambda: beating("node"),
        }
        well, sentence = roles[role]()
        self.stdout.write(sentence)
        if not well:
            sys.exit(1)


def web(port: int) -> Verdict:
    """The web process is ready, by its own word."""
    address = f"http://127.0.0.1:{port}{READY}"
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            return True, f"The web process is ready ({json.load(answer)['status']})."
    except urllib.error.HTTPError as error:
        return False, f"The web process is not ready: {error.read().decode(errors='replace')}"
    except OSError as error:
        return False, f"The web process does not answer on port {port}: {error}"


def beating(role: str) -> Verdict:
    """The process's loop turned lately, whatever it found: that the database is away is not its fault."""
    age = beats.age(role)
    if age is None:
        return False, f"No {role} has run in this home."
    if age > LATE_S:
        return False, f"The {role} has not moved for {age:.0f} s."
    return True, f"The {role} moved {age:.0f} s ago."


def helper() -> Verdict:
    """The helper answers through the broker. While that is away the helper can only wait, and is well."""
    try:
        live.connection().ping()
    except (RedisError, OSError):
        return True, "Redis does not answer: the helper waits for it."
    try:
        answers = app.control.ping(
            destination=[f"helper@{settings.NODE_NAME}"], timeout=PATIENCE_S / 2, limit=1
        )
    except (OperationalError, OSError) as error:
        return True, f"The broker does not answer ({error}): the helper waits for it."
    if answers:
        return True, "The helper answers."
    return False, "The helper does not answer."
