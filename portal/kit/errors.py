"""The three kinds of error: what a person did, what may pass by itself, and everything else (logged, with an id)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of the input, as a sentence."""

    field: str
    detail: str


class UserError(Exception):
    """Something a person can put right: shown to them word for word.

    `code` is stable and may be relied on by scripts, `detail` is a sentence that says what to do, `status` is the
    HTTP status when it surfaces at the edge.
    """

    def __init__(
        self, code: str, detail: str, *, status: int = 400, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.errors = tuple(errors)


class RetryableError(Exception):
    """Trouble that is expected to pass: the work is put off, not given up."""
