"""`manage.py replay`: what other settings would have made of last month's jobs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.queue.models import Trial
from jobs.queue.replay import services, text
from jobs.queue.replay.services import Wish
from jobs.scheduler.replay import settings
from jobs.scheduler.replay.world import RESTART_S
from portal.kit.errors import UserError


class Command(BaseCommand):
    help = (
        "Runs the jobs of the last days through the scheduler's simulator under other settings, and tells who would "
        "have waited longer or shorter. Stewards find it on the machine's page too. " + settings.there_is()
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30)
        parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="may repeat")
        parser.add_argument(
            "--add",
            action="append",
            default=[],
            metavar="KIND=COUNT[@SPEED]",
            help="to the machine; may repeat",
        )
        parser.add_argument("--restart", default=f"{RESTART_S:g}s", help="what a restart costs, as 30s")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            wish = Wish(
                days=options["days"],
                changes=tuple(options["set"]),
                added=tuple(options["add"]),
                restart_s=settings.seconds(options["restart"], "restart", bare=True),
            )
            made = services.ask(wish, actor=None)
        except (UserError, ValueError) as error:
            raise CommandError(str(error)) from None
        services.run(made.pk)
        made.refresh_from_db()
        if made.state != Trial.DONE:
            raise CommandError(made.message)
        self.stdout.write(json.dumps(text.as_json(made)) if options["json"] else text.of(made))
