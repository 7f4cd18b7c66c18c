"""`manage.py up`: the whole portal on this machine, as one process tree."""

import contextlib
import fcntl
import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from jobs.bundles.keys import signing_key
from jobs.runner import sandbox
from portal.core.supervisor import Supervisor
from portal.kit.errors import UserError
from portal.members import services as members
from portal.site import tree
from portal.site.backup import restoring


class Command(BaseCommand):
    help = "Starts the portal: Redis, web, scheduler, workers. Ctrl-C ends it all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default=os.environ.get("GRISTMILL_HOST", "127.0.0.1"))

    def handle(self, *_args: Any, port: int, host: str, **_options: Any) -> None:
        try:
            with only_one():
                self._run(host, port)
        except UserError as error:
            raise CommandError(error.detail) from None

    def _run(self, host: str, port: int) -> None:
        restoring.check_finished()
        tree.check_port(host=host, port=port)
        call_command("migrate", verbosity=0, interactive=False)
        signing_key()  # made at first start, before anything could need it
        supervisor = Supervisor(tree.programs(host=host, port=port))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.start()
        try:
            tree.wait_until_serving(host=host, port=port)
            self._greet(host, port)
            supervisor.watch()
        finally:
            self.stdout.write("Stopping …")
            supervisor.end()
            self.stdout.write("Stopped.")

    def _greet(self, host: str, port: int) -> None:
        address = settings.PUBLIC_URL or f"http://{host}:{port}"
        (Path(settings.HOME) / "run" / "address").write_text(address, encoding="utf-8")
        report = sandbox.probe()
        for missing in report.missing:
            self.stdout.write(self.style.WARNING(f"Off on this machine: {missing}"))
        self.stdout.write(self.style.SUCCESS(f"Gristmill is up: {address}"))
        if link := members.first_steward_link(base=address):
            self.stdout.write(f"Become its first steward: {link}")
        self.stdout.write(f"State: {settings.HOME}   Ctrl-C stops everything.")
        sys.stdout.flush()


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the home folder for this process tree. UserError if another one has it."""
    path = Path(settings.HOME) / "run" / "up.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="ascii") as file:
        if not _lock(file):
            file.seek(0)
            detail = f"A portal is running on {settings.HOME} already (process {file.read().strip()})."
            raise UserError("already_up", detail) from None
        file.truncate(0)
        path.with_name("address").unlink(missing_ok=True)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> bool:
    """Whether the file could be locked. Tried for a second: `manage.py demo` looks by holding the lock briefly."""
    for _try in range(10):
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False
