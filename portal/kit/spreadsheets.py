"""Tables as CSV that a spreadsheet opens without running anything in it."""

import csv
import io
from collections.abc import Iterable, Sequence

RUNS = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: object) -> str:
    """The cell's text; one that a spreadsheet would take for a formula has an apostrophe before it (OWASP's advice on
    CSV injection). Numbers are left alone.
    """
    text = str(cell)
    return f"'{text}" if text.startswith(RUNS) and not isinstance(cell, (int, float)) else text


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table with a line of names above it; lines end as RFC 4180 says."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()
