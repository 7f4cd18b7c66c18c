"""One hostile upload, and what its member has to read about it."""

from collections.abc import Callable
from dataclasses import dataclass, field

PICTURES = "image-classification"
CLASSES = "table-classification"
QUANTITIES = "table-regression"


@dataclass(frozen=True)
class Case:
    """Rejected with `code`, and `part` in its sentence; or, without a code, ready: then `skips` says for some files a
    part of the reason why they were left out.
    """

    make: Callable[[], bytes]
    code: str = ""
    part: str = ""
    skips: dict[str, str] = field(default_factory=dict)
    task: str = PICTURES
    filename: str = "upload.zip"
