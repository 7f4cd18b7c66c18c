"""What can be wrong with the place where the bytes lie. A file that is missing there is a FileNotFoundError."""

from django.utils.translation import gettext as _

from portal.kit.errors import RetryableError, UserError

WAIT_S = 5.0
"""After which it is worth trying again."""


class StoreAwayError(RetryableError):
    """The store can't be reached, or lets nobody in. Nothing is lost by that. `str` of it is for members."""

    def __init__(self) -> None:
        super().__init__(
            _("The portal can't reach its file store now. Nothing was lost; try again in a minute.")
        )


class DamagedError(UserError):
    """The bytes that lie in the store are not those that were put there."""

    def __init__(self, sha256: str) -> None:
        detail = _(
            "The portal's copy of this file is damaged (%(sha256)s…). Upload the same file again, which mends it, or "
            "ask a steward to put it back from a backup."
        )
        super().__init__("damaged_file", detail % {"sha256": sha256[:12]}, status=500)
