"""Log lines: for whom and what they were written, as text or as JSON, never with a secret, in files that turn.

Whatever works for a request, an attempt, a version or a job says so once (`about`), and every line that is logged
meanwhile in that thread or task carries the ids.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import datetime
from pathlib import Path
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from portal.core.telemetry import turning
from portal.core.telemetry.redaction import clean

FILE = "GRISTMILL_LOG_FILE"  # where a supervised process's output goes; its supervisor says so
IDS = ("request_id", "member", "version", "job", "attempt")
STDOUT, STDERR = 1, 2
_about: ContextVar[dict[str, Any] | None] = ContextVar("about", default=None)


@contextmanager
def about(**facts: Any) -> Iterator[dict[str, Any]]:
    """Until the end of the block, what is logged here is about these (`IDS`) and what was said before."""
    known = {**(_about.get() or {}), **facts}
    token = _about.set(known)
    try:
        yield known
    finally:
        _about.reset(token)


def learn(**facts: Any) -> None:
    """Add to what the innermost `about` says, for whoever shares it: a thread that works for the same request."""
    known = _about.get()
    if known is not None:
        known.update(facts)


def carried(work: Callable[[], None]) -> Callable[[], None]:
    """`work` for a thread of its own, which logs about what is worked on here."""
    context = copy_context()
    return lambda: context.run(work)


class About(logging.Filter):
    """Puts the ids of what is worked on into every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        known = _about.get()
        for name in IDS:
            if known and known.get(name) and not hasattr(record, name):
                setattr(record, name, known[name])
        return True


class Line(logging.Formatter):
    """One line of text, the ids in brackets behind it."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:<7} {name}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        ids = [f"{name}={getattr(record, name)}" for name in IDS if hasattr(record, name)]
        return super().formatMessage(record) + (f" [{' '.join(ids)}]" if ids else "")


class Json(JsonFormatter):
    """One JSON object a line: time, level, logger, message, the ids, and what the line is given besides."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            reserved_attrs=[*RESERVED_ATTRS, "request", "server_time"],  # Django's own objects
            json_ensure_ascii=False,
        )

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return super().jsonify_log_record({name: _cleaned(value) for name, value in log_data.items()})


def _cleaned(value: Any) -> Any:
    """Texts without secrets, before they are quoted; what JSON has no form for as a text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner) for inner in value]
    return clean(str(value))


class Turning(logging.StreamHandler[Any]):
    """Standard error. Where the supervisor made that a file, the process turns it when it is full (`turning`).

    Both of the process's outputs move on to the new file; a child that it had
    started before goes on in the old one.
    """

    def __init__(self, files: turning.Size) -> None:
        super().__init__()
        self.files = files
        self.file = Path(os.environ[FILE]) if os.environ.get(FILE) else None

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self.file is not None and os.fstat(STDERR).st_size >= self.files.bytes:
            self._turn(self.file)

    def _turn(self, file: Path) -> None:
        """Only what is ours: a program that we start inherits the name of our file, not always the file."""
        ours = [number for number in (STDOUT, STDERR) if turning.is_open_as(number, file)]
        if STDERR not in ours:
            return
        try:
            turning.turn(file, kept=self.files.kept)
            for number in ours:
                turning.reopen(number, file)
        except OSError:  # no room for a new name: the old file serves
            return


def config(*, level: str, form: str, files: turning.Size) -> dict[str, Any]:
    """Django's `LOGGING`: everything through one handler, as `line` or `json`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"about": {"()": About}},
        "formatters": {"line": {"()": Line}, "json": {"()": Json}},
        "handlers": {"stderr": {"()": Turning, "files": files, "filters": ["about"], "formatter": form}},
        "loggers": {
            "httpx": {"level": "WARNING"},
            "celery": {"level": "WARNING"},
            # What brings handlers of its own speaks through ours.
            "django": {"handlers": [], "propagate": True},
            "uvicorn": {"handlers": [], "propagate": True, "level": "WARNING"},
        },
        "root": {"handlers": ["stderr"], "level": level},
    }
