"""What a brought file is, by its first bytes and its table of contents: nothing of it is opened for that."""

from pathlib import Path

from jobs.engine.brought.archive import entries_of
from jobs.engine.brought.refused import SAVE_ANEW, NotTakenError
from jobs.engine.brought.task import FileKind

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
EMPTY_ZIP = b"PK\x05\x06"
GZIP, TAR = b"\x1f\x8b", b"ustar"
LITERT = b"TFL3"
PAGES = (b"<!doctype", b"<html")
PICKLES = tuple(b"\x80" + bytes([version]) for version in range(2, 6))
_LOOKED_AT = 512
_TAKEN = "A .keras file, an .h5 file or a zip of a SavedModel folder is taken here."


def kind_of(path: Path) -> FileKind:
    """What the file is. NotTakenError for everything that is not a model of Keras or TensorFlow."""
    with path.open("rb") as stream:
        head = stream.read(_LOOKED_AT)
    if head.startswith(HDF5):
        return FileKind.HDF5
    if head.startswith((ZIP, EMPTY_ZIP)):
        return _in_zip(path)
    raise NotTakenError(_what_else(head))


def _what_else(head: bytes) -> str:
    if not head:
        return "The file is empty. Send it again."
    if head.startswith(PICKLES):
        return f"This is a pickle, which could run any program when it is opened, so it is not opened. {SAVE_ANEW}"
    if head[4:8] == LITERT:
        return "This is a LiteRT file (.tflite), which is the end of the way. Bring the Keras model it was made from."
    if head.startswith(GZIP) or head[257:262] == TAR:
        return "This is a tar or gzip file. Pack the SavedModel folder as a zip and bring that."
    if head.lstrip()[:9].lower().startswith(PAGES):
        return "This is a web page, not a model: perhaps a sign-in page. Download the model again."
    return f"This is not a file of Keras or TensorFlow, or it is damaged. {_TAKEN}"


def _in_zip(path: Path) -> FileKind:
    names = {entry.filename for entry in entries_of(path)}
    ends = {name.rsplit("/", 1)[-1] for name in names}
    if {"config.json", "model.weights.h5"} <= names:
        return FileKind.KERAS
    if "saved_model.pb" in ends:
        return FileKind.SAVED_MODEL
    raise NotTakenError(_what_else_in_zip(names, ends))


def _what_else_in_zip(names: set[str], ends: set[str]) -> str:
    if "config.json" in names:
        return f"This .keras file has no weights (model.weights.h5), so it is incomplete. {SAVE_ANEW}"
    if any(name.endswith((".pkl", ".pickle", ".joblib")) for name in ends):
        return (
            "The zip holds a pickle (as PyTorch and scikit-learn write them), which could run any program when it is "
            f"opened, so it is not opened. {_TAKEN}"
        )
    inner = sorted(name for name in ends if name.endswith((".keras", ".h5", ".hdf5")))
    if inner:
        return f"The zip holds {inner[0][:80]!r}. Bring that file itself, not packed again."
    if "model.json" in ends:
        return "The zip holds a TensorFlow.js model. Bring the Keras model that it was made from."
    return f"The zip holds no model: there is no saved_model.pb in it. {_TAKEN}"
