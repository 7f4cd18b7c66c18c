"""What the compiler refuses."""


class UnsupportedError(Exception):
    """A net that can't become a circuit here.

    `operator` is LiteRT's name of what is refused, `layer` the file's name of it, `reason` and `instead` are sentences
    without a full stop: why, and what to use instead.
    """

    def __init__(self, *, operator: str, layer: str, reason: str, instead: str) -> None:
        super().__init__(f"{operator} ({layer or 'unnamed'}): {reason}. Instead: {instead}.")
        self.operator = operator
        self.layer = layer
        self.reason = reason
        self.instead = instead
