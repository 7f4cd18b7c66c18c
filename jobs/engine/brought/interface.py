"""What goes into a brought model and what comes out, and whether boards can give and read that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobs.datasets.formats.limits import MAX_COLUMNS
from jobs.engine.brought.refused import NotTakenError

MAX_SIDE = 1024
CHANNELS = (1, 3)
PICTURE = 3  # height, width, channels
MAX_SAMPLES = 192_000
EXPECTED = (
    "Taken are models of pictures, (height, width, 1 or 3 channels), of table rows, (columns), and, with their sample "
    "rate, of sounds, (samples) or (samples, 1), with one input of a fixed size and one row of answers"
)


@dataclass(frozen=True)
class Interface:
    """One input of `shape` (batch excluded), one row of `outputs` answers. Of sounds `rate_hz` is that of the samples,
    which are given as a row, whatever the model's own shape.
    """

    shape: tuple[int, ...]
    outputs: int
    rate_hz: int | None = None

    @property
    def kind(self) -> Literal["images", "table", "sounds"]:
        if self.rate_hz:
            return "sounds"
        return "images" if len(self.shape) == PICTURE else "table"


def interface_of(model: Any, rate_hz: int | None = None) -> Interface:
    """The model's interface; with `rate_hz` it takes sounds. NotTakenError says what does not fit, and what does."""
    inputs, outputs = _tensors(model, "inputs"), _tensors(model, "outputs")
    if not inputs or not outputs:
        raise NotTakenError(
            "The model does not say what goes in: begin it with keras.Input(shape=…) and save it again."
        )
    for found, word in ((inputs, "inputs"), (outputs, "outputs")):
        if len(found) > 1:
            raise NotTakenError(f"The model has {len(found)} {word}. {EXPECTED}.")
    (batch, *shape), (_batch, *answers) = inputs[0].shape, outputs[0].shape
    if batch is not None:
        raise NotTakenError(
            f"The model takes exactly {batch} at a time. Leave the batch size open, keras.Input(shape=…), and save it "
            "again."
        )
    if rate_hz:
        _check_sound(shape)
        shape = shape[:1]
    else:
        _check_shape(shape)
    if len(answers) != 1 or answers[0] is None:
        raise NotTakenError(
            f"For each input the model gives values of the shape {_told(answers)}. {EXPECTED}."
        )
    return Interface(tuple(shape), int(answers[0]), rate_hz)


def _tensors(model: Any, name: str) -> list[Any]:
    try:
        return list(getattr(model, name, None) or [])
    except (AttributeError, ValueError):  # Keras's way to say that a model was never built
        return []


def _sides(shape: Sequence[int | None], example: str) -> list[int]:
    """The shape, which has to be fixed."""
    if None in shape:
        raise NotTakenError(
            f"The model's input has no fixed size: {_told(shape)}. Boards need one: give it, as in "
            f"keras.Input(shape={example}), and save the model again."
        )
    return [side for side in shape if side is not None]


def _check_sound(shape: Sequence[int | None]) -> None:
    sides = _sides(shape, "(16000,)")
    if len(sides) == PICTURE and sides[2] in CHANNELS:
        raise NotTakenError(
            f"The model takes pictures, {_told(shape)}, and came with a sample rate, which is for sounds. Bring it "
            "again without."
        )
    if sides[1:] not in ([], [1]) or not sides or not 1 <= sides[0] <= MAX_SAMPLES:
        raise NotTakenError(
            f"The model's input has the shape {_told(shape)}. With a sample rate, one row of samples is taken, "
            f"(samples) or (samples, 1), of at most {MAX_SAMPLES:,}. Spectrograms and the like are worked out inside "
            "of the model."
        )


def _check_shape(shape: Sequence[int | None]) -> None:
    sides = _sides(shape, "(96, 96, 3)")
    picture = len(sides) == PICTURE and sides[2] in CHANNELS and max(sides[:2]) <= MAX_SIDE
    row = len(sides) == 1 and sides[0] <= MAX_COLUMNS
    if not (picture or row) or min(sides) < 1:
        raise NotTakenError(
            f"The model's input has the shape {_told(shape)}. {EXPECTED}; pictures of at most {MAX_SIDE} pixels a "
            f"side, rows of at most {MAX_COLUMNS:,} columns."
        )


def _told(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in shape)})"


def check_labels(interface: Interface, labels: Sequence[str]) -> None:
    """NotTakenError when the labels do not name the outputs. None at all: the model answers with a number."""
    if not labels:
        if interface.kind == "images":
            raise NotTakenError(
                "A model of pictures tells classes apart: name them, in the order of its outputs."
            )
        if interface.outputs != 1:
            raise NotTakenError(
                f"Without labels a model foretells one number, and this one gives {interface.outputs}. Name a label "
                "for each, in the order of the model's outputs."
            )
    elif len(labels) == 1:
        raise NotTakenError("One label leaves nothing to tell apart. Name a label for each class.")
    elif len(labels) != interface.outputs and not is_binary(interface, labels):
        raise NotTakenError(
            f"The model has {interface.outputs} outputs and there are {len(labels)} labels. Name one label for each "
            "output, in the order of the outputs."
        )


def is_binary(interface: Interface, labels: Sequence[str]) -> bool:
    """Whether one output tells two classes apart, as a sigmoid does: how likely the second is."""
    return interface.outputs == 1 and len(labels) == 2  # noqa: PLR2004
