"""What the compiler refuses, and what a proof ends with."""

from pathlib import Path


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


class FitError(UnsupportedError):
    """A net that one of the engine's memories has no room for: `memory` by name, `needs` and `has` in its words."""

    def __init__(self, *, memory: str, needs: int, has: int, word_bytes: int) -> None:
        super().__init__(
            operator="NET",
            layer=memory,
            reason=f"its {memory} take {needs:,} words of {word_bytes} bytes, this engine has {has:,}",
            instead="a smaller net, or a board with a larger engine",
        )
        self.memory = memory
        self.needs = needs
        self.has = has


class MismatchError(Exception):
    """Two links of the chain of proofs answer differently.

    `stage` as proof.Stage names it; `number`: of the first such vector, from 0; `kept`: an .npz file with it (`input`,
    `expected`, `found`).
    """

    def __init__(self, *, stage: str, number: int, kept: Path) -> None:
        super().__init__(
            f"The {stage} answers vector {number} otherwise than the model: nothing was made. {kept.name} has the "
            "vector, the expected answer and the one that was found."
        )
        self.stage = stage
        self.number = number
        self.kept = kept
