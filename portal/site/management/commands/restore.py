"""`manage.py restore FILE`: a backup into an empty home."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hardware.nodes.models import Node
from portal.kit.errors import RetryableError, UserError
from portal.site.backup import restoring
from portal.site.management.commands.up import only_one


class Command(BaseCommand):
    help = "Reads a backup through, then puts it into this empty home and its empty database."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the backup; - for standard input")
        parser.add_argument(
            "--blobs-from", type=Path, metavar="FOLDER", help="where the backup's --blobs-to put them"
        )

    def handle(self, *_args: Any, file: str, blobs_from: Path | None, **_options: Any) -> None:
        try:
            with only_one(), sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
                backup = restoring.restore(source, beside=blobs_from, say=self.stdout.write)
        except UserError as error:
            raise CommandError(error.detail) from None
        except RetryableError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup can't be read: {error}") from None
        self.stdout.write(
            self.style.SUCCESS(f"Restored into {settings.HOME}. Members have to sign in again.")
        )
        if not any(name.startswith("secrets/") for name in backup.manifest.parts):
            nodes = ", ".join(Node.objects.values_list("name", flat=True)) or "none"
            self.stdout.write(
                self.style.WARNING(
                    f"The backup holds no secrets. Put yours into {settings.HOME}/secrets before the first start: "
                    f"without signing-key older bundles can't be verified by the new key, without node-key its "
                    f"nodes ({nodes}) are strangers."
                )
            )
