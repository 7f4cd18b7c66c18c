"""The files that one-request uploads grow in, named by the process that writes them: those of a killed server can be
told from those that still grow.
"""

import tempfile
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.signals import request_finished
from django.dispatch import receiver

from portal.kit import identity

BETWEEN, END = "+", "~"


class _InHand(threading.local):
    """The files of the request that this thread answers."""

    def __init__(self) -> None:
        self.files: list[Body] = []


in_hand = _InHand()


class Body(TemporaryUploadedFile):
    """Django's, under a name of ours."""

    def __init__(
        self, name: str, content_type: str, size: int, charset: str | None, extra: dict[str, bytes] | None
    ) -> None:
        whose = identity.me().replace("/", BETWEEN) + END
        file = tempfile.NamedTemporaryFile(prefix=whose, dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
        super(TemporaryUploadedFile, self).__init__(file, name, content_type, size, charset, extra)


class BodyHandler(TemporaryFileUploadHandler):
    """Has the files of forms written as bodies."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        self.file = Body(
            self.file_name or "", self.content_type or "", 0, self.charset, self.content_type_extra
        )
        in_hand.files.append(self.file)


@receiver(request_finished)
def _let_go(**_said: Any) -> None:
    """What was not taken goes with its request. Django closes files that came whole; one that broke off would lie
    there until Python's collector finds it.
    """
    while in_hand.files:
        in_hand.files.pop().close()


def is_left_behind(file: Path) -> bool:
    """Whether the process that wrote this file is known to be gone. False where that can't be known."""
    whose, end, _rest = file.name.partition(END)
    return bool(end) and identity.is_gone(whose.replace(BETWEEN, "/"))
