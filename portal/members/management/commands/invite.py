"""`manage.py invite`: a link by which one person joins without waiting for a steward."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.members import services


class Command(BaseCommand):
    help = "Print a link by which one person joins at once. It works once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--note", default="", help="for whom it is")
        parser.add_argument("--days", type=float, default=7.0, help="until it expires (default 7)")

    def handle(self, *_args: Any, **options: Any) -> None:
        expires_at = timezone.now() + timedelta(days=options["days"])
        _invitation, path = services.invite(actor=None, note=options["note"], expires_at=expires_at)
        self.stdout.write(services.absolute(path))
