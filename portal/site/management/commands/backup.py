"""`manage.py backup FILE`: one file with all that the portal knows, made while it works."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.core.leases import StaleLease
from portal.kit.errors import RetryableError, UserError
from portal.site.backup import reading, writing
from portal.site.backup.contents import Manifest
from portal.site.backup.writing import Wish

WARNING = (
    "It holds the keys with which bundles are signed and sessions made, and what members keep private. "
    "Whoever reads it can act as this portal: keep it where only stewards can read it."
)


class Command(BaseCommand):
    help = "Writes the database, the store and the secrets into one file, while the portal works. Checks what it wrote."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="where to; - for standard output, which can't be checked here")
        parser.add_argument(
            "--no-secrets", action="store_true", help="leave the keys out: keep them elsewhere"
        )
        parser.add_argument(
            "--blobs-to", type=Path, metavar="FOLDER",
            help="put the store into a folder beside, which later backups only add to",
        )  # fmt: skip
        parser.add_argument(
            "--skip-damaged", action="store_true", help="go on without what the store has lost"
        )

    def handle(self, *_args: Any, file: str, **options: Any) -> None:
        wish = Wish(not options["no_secrets"], options["blobs_to"], options["skip_damaged"])
        try:
            manifest = to_output(wish) if file == "-" else to_file(Path(file), wish)
        except UserError as error:
            raise CommandError(error.detail) from None
        except RetryableError as error:
            raise CommandError(str(error)) from None
        except StaleLease:
            raise CommandError(
                "The database was away for so long that blobs may be missing. Try again."
            ) from None
        except OSError as error:
            raise CommandError(f"The backup can't be written: {error}") from None
        self._tell(file, manifest, secrets=wish.secrets)

    def _tell(self, file: str, manifest: Manifest, *, secrets: bool) -> None:
        size = f"{manifest.blobs} blobs of {manifest.blob_bytes:,} bytes"
        self.stderr.write(f"Backed up to {file}: {size}, {len(manifest.parts)} other parts.")
        for sha256 in manifest.damaged:
            self.stderr.write(self.style.WARNING(f"The store has lost {sha256}."))
        if secrets:
            self.stderr.write(self.style.WARNING(WARNING))


def to_output(wish: Wish) -> Manifest:
    """To standard output. Its reader knows by the manifest at the end that it is complete."""
    return writing.write(sys.stdout.buffer, wish)


def to_file(path: Path, wish: Wish) -> Manifest:
    """Written beside, read again and compared, and only then given its name."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "w+b", opener=_for_us_alone) as file:
            writing.write(file, wish)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            found = reading.read(file)
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)
    return found.manifest


def _for_us_alone(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_EXCL, 0o600)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
