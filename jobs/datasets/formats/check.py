"""`python -m jobs.datasets.formats.check`: checks an upload and says what it found, as JSON lines.

Meant to run in a sandbox: it reads what strangers wrote. Lines are `{"type": "progress", "progress": 0..1}`
and at last one `{"type": "result", …}` as in `outcome`. The exit code is 0 for ready and for rejected;
anything else is trouble of the platform's.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from jobs.datasets.formats.outcome import Progress, Ready, Refused, Result, Upload
from jobs.datasets.formats.rejected import Rejected

PROGRESS_SECONDS: Final = 0.25


def check(
    *,
    task: str,
    path: Path,
    filename: str,
    out: Path,
    label_column: str | None = None,
    progress: Progress = lambda _: None,
) -> Result:
    """Checks the upload at `path`, which its member called `filename`, and writes what it found into `out`.

    `label_column` None: the labels file's for pictures, the last column for tables. Never raises for what is
    in the file, only for trouble of the machine's (`OSError` when `out` cannot be written).
    """
    reader = READERS.get(task)
    if reader is None:
        return _refused("unknown_task", f"Data for the task “{task}” cannot be read here yet.")
    if path.stat().st_size == 0:
        return _refused("empty_file", "The file is empty (0 bytes). Choose another, or upload it again.")
    try:
        return reader(Upload(task, path, filename, out, label_column or None, progress))
    except Rejected as error:
        return _refused(error.code, error.detail)


def _refused(code: str, reason: str) -> Refused:
    return {"type": "result", "state": "rejected", "code": code, "reason": reason}


def _images(upload: Upload) -> Ready:
    from jobs.datasets.formats.image_check import check_images  # Pillow is not loaded for tables

    return check_images(upload)


def _table(upload: Upload) -> Ready:
    from jobs.datasets.formats.table_check import check_table  # pyarrow is not loaded for pictures

    return check_table(upload)


READERS: Final[Mapping[str, Callable[[Upload], Ready]]] = {
    "image-classification": _images,
    "table-classification": _table,
    "table-regression": _table,
}


def _printer() -> Progress:
    """Prints progress lines, a few a second at most."""
    last = 0.0

    def tell(part: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            _line({"type": "progress", "progress": round(min(1.0, part), 4)})

    return tell


def _line(message: Mapping[str, object]) -> None:
    text = json.dumps(message, ensure_ascii=False, allow_nan=False)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.datasets.formats.check")
    parser.add_argument("--task", required=True)
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--filename", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--label-column")
    given = parser.parse_args(arguments)
    result = check(
        task=given.task,
        path=given.file,
        filename=given.filename,
        out=given.out,
        label_column=given.label_column,
        progress=_printer(),
    )
    _line({**result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
