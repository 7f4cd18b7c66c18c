"""`manage.py demo`: starts the portal (or uses the one that runs) and takes real data through to a running bundle."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.kit import process
from portal.kit.errors import UserError
from portal.members import services as members
from portal.members import tokens
from portal.members.models import Member
from portal.settings import kept_secret
from portal.site.demo import Demo

NAME = "demo"
START_S = 120


class Command(BaseCommand):
    help = "Shows the main job: upload, train, bundle, run. Leaves the portal up for browsing unless --exit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--exit", action="store_true", help="end when the demonstration has ended")

    def handle(self, *_args: Any, port: int, exit: bool, **_options: Any) -> None:  # noqa: A002 - the option's name
        with portal(port) as (address, running):
            self.stdout.write(f"Gristmill at {address}")
            try:
                good = Demo(address, demo_token(), self._say).run()
            except UserError as error:
                raise CommandError(error.detail) from None
            if not good:
                raise CommandError("The accuracy is below the goal.")
            self.stdout.write(
                self.style.SUCCESS("Done: from a folder of pictures to a bundle for a Raspberry Pi.")
            )
            if running is not None and not exit:
                secret = settings.HOME / "secrets" / "demo-password"
                self.stdout.write(
                    f"Browse it at {address}, as {NAME} with the password in {secret}. Ctrl-C ends it."
                )
                sys.stdout.flush()
                running.wait()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def demo_token() -> str:
    """A token of the demo member, who is made on first use with a password of their own."""
    member = Member.objects.filter(username=NAME).first()
    if member is None:
        member = members.create_member(name=NAME, password=kept_secret("demo-password"))
    for old in member.auth_token_set.filter(name=NAME):
        tokens.revoke(token=old, actor=member)
    _row, token = tokens.create(member=member, name=NAME)
    return token


@contextlib.contextmanager
def portal(port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes] | None"]]:
    """The address of a portal on this home, and its process if it was started here (and is ended here)."""
    if address := running_address():
        yield address, None
        return
    argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), "up", "--port", str(port)]
    running = process.spawn(argv, env=os.environ | {"GRISTMILL_HOME": str(settings.HOME)}, leashed=True)
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield wait_for_address(running), running
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, previous)
        process.stop(running, grace=60)


def wait_for_address(running: "subprocess.Popen[bytes]") -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.poll() is None:
        if address := running_address():
            return address
        time.sleep(0.1)
    raise CommandError("The portal did not start; what it said stands above.")


def running_address() -> str:
    """The address of the portal that runs on this home; empty when none does (or is not ready yet)."""
    run = Path(settings.HOME) / "run"
    with contextlib.suppress(OSError), (run / "up.lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return (run / "address").read_text(encoding="utf-8")
    return ""
