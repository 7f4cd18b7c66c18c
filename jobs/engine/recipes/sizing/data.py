"""What of a dataset version decides how large a network gets: from its checker's report, or as the engine finds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Data:
    """`classes` 0: a number is to be predicted.

    Of pictures: `side` is the median of their shorter sides in pixels, `shape` the medians of their heights and widths
    (None where that is not known), `channels` 1 (all grey) or 3. Of tables:
    `columns` to learn from, of which `numbers` are numbers, `flagged` of these with gaps; `categories` is how many
    categories each other column has.
    """

    classes: int
    side: int = 0
    shape: tuple[int, int] | None = None
    channels: int = 0
    columns: int = 0
    numbers: int = 0
    flagged: int = 0
    categories: tuple[int, ...] = ()


def from_report(report: Mapping[str, Any]) -> Data | None:
    """As a version's report tells it; None where it doesn't: versions checked long ago have no `pictures`, or none with
    a `height` and a `width`.

    A gap anywhere counts, where training looks for them in its own split: the features may be a few less.
    """
    classes = len(report.get("classes") or {})
    if looks := report.get("pictures"):
        shape = (int(looks["height"]), int(looks["width"])) if looks.get("height") else None
        channels = 3 if looks["coloured"] else 1
        return Data(classes=classes, side=int(looks["side"]), shape=shape, channels=channels)
    found = [column for column in report.get("columns") or () if column.get("role") == "feature"]
    if not found:
        return None
    numbers = [column for column in found if column["type"] == "number"]
    return Data(
        classes=classes,
        columns=len(found),
        numbers=len(numbers),
        flagged=sum(1 for column in numbers if column["missing"]),
        categories=tuple(max(1, column["different"]) for column in found if column["type"] == "category"),
    )
