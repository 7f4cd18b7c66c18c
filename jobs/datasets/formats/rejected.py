"""A version that is refused, with a sentence its member can act on."""

from portal.kit.errors import UserError


class Rejected(UserError):  # noqa: N818 - a state of the version; its sentence is the error
    """The upload as a whole cannot be used: `code` is stable, `detail` says what is wrong and what to do."""
