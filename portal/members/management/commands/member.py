"""`manage.py member create|approve|link`: accounts from the command line, for whoever runs the machine."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.kit.errors import UserError
from portal.members import services
from portal.members.models import Member


def member_named(name: str) -> Member:
    """The member of that name, in any case; CommandError when there is none."""
    member = Member.objects.filter(username__iexact=name).first()
    if member is None:
        raise CommandError(f"There is no member “{name}”. Make one: manage.py member create {name}")
    return member


class Command(BaseCommand):
    help = "Make a member (approved at once), approve one who signed up, or make a link to a new password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a member who may sign in at once")
        create.add_argument("name")
        create.add_argument("--password", help="otherwise asked for, or chosen by a link that is printed")
        create.add_argument(
            "--steward", action="store_true", help="may run the machine: approve, drain, cancel"
        )
        verbs.add_parser("approve", help="let a pending member in").add_argument("name")
        verbs.add_parser("link", help="print a one-time link to choose a new password").add_argument("name")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(**options)
        except UserError as error:
            raise CommandError(error.detail) from None

    def create(self, *, name: str, password: str | None, steward: bool, **_others: Any) -> None:
        if password is None and sys.stdin.isatty():
            password = ask_password()
        member = services.create_member(name=name, password=password, steward=steward)
        self.stdout.write(f"{member.username} is a {member.role} now.")
        if password is None:
            self.stdout.write("Their password is chosen here, once:")
            self.link(name=member.username)

    def approve(self, *, name: str, **_others: Any) -> None:
        member = member_named(name)
        if not services.approve(actor=None, member=member):
            raise CommandError(f"{member.username} does not wait for approval.")
        self.stdout.write(f"{member.username} may sign in now.")

    def link(self, *, name: str, **_others: Any) -> None:
        path = services.reset_link(actor=None, member=member_named(name))
        self.stdout.write(services.absolute(path))


def ask_password() -> str | None:
    """Typed twice at the terminal; None (choose it by a link) when nothing is typed."""
    while True:
        first = getpass.getpass("Password (empty: make a link to choose one): ")
        if not first:
            return None
        if first == getpass.getpass("Once more: "):
            return first
        print("They differ. Try again.", file=sys.stderr)
