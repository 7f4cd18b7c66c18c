"""Why a brought model is not taken: a sentence that says what is wrong with it and what its member can do."""

from jobs.engine import exhausted

_NO_MEMORY = ("OOM when allocating", "Unable to allocate")
SAVE_ANEW = "Save it again with Keras 3 (model.save('model.keras')) and bring that file."


class NotTakenError(Exception):
    """The model cannot be taken; the message is for its member to read."""


def first_line(error: BaseException, most: int = 300) -> str:
    """What an exception says, on one line that may be shown: no control characters, no end in the middle of nowhere."""
    said = str(error).rpartition("Exception encountered: ")[2]  # Keras puts the whole description before it
    text = next((line for line in said.splitlines() if line.strip()), type(error).__name__)
    plain = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory that could not be had stands behind an exception, whoever wrapped it."""
    while error is not None:
        if exhausted.is_out_of_memory(error) or any(text in str(error) for text in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def quoted(name: object, most: int = 80) -> str:
    """A name that the file gave, as it may stand in a sentence."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(name))
    return f"“{plain if len(plain) <= most else plain[: most - 1] + '…'}”"
