"""`manage.py token NAME`: a new API token of a member, alone on one line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.kit.errors import UserError
from portal.members import tokens
from portal.members.management.commands.member import member_named

STEM = "command line"


class Command(BaseCommand):
    help = "Print a new API token of a member. It is shown only now; revoke it on the account page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the member")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = member_named(options["name"])
        if not member.is_active:
            raise CommandError(f"{member.username} may not sign in. Approve or reinstate them first.")
        while True:
            try:
                _token, text = tokens.create(member=member, name=tokens.free_name(member=member, stem=STEM))
            except UserError as error:
                if error.code != "name_taken":  # another run took the name between the look and the making
                    raise CommandError(error.detail) from None
            else:
                self.stdout.write(text)
                return
