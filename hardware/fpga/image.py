"""A compiled net: what is loaded into an engine once, how an input goes in and an output comes out; as a file too."""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hardware.fpga.engine import WORD, Engine
from hardware.fpga.ir import Int8s
from hardware.fpga.wire import ends

_MAGIC = b"GRISTMILL-FPGA\r\n"
_VERSION = 1
_HEAD = struct.Struct("<16sHHI")  # magic, version, segments, bytes of the description
_SEGMENT = struct.Struct("<II")  # the host's address, bytes
_DIGEST = hashlib.sha256().digest_size


class ImageError(ValueError):
    """A file that isn't an image, or a damaged one."""


@dataclass(frozen=True)
class Feed:
    """How an input becomes bytes for the activations, from the host's address `address` up.

    Points (rows × columns of the packed map) of `channels` bytes each, filled up to whole words with zeros. Row y,
    column x, channel k of the packed map are row y, column x · `stride` − `before` + (k // depth) · `dilation`,
    channel k % depth of the input; `outside` where that is none. `table`: what each byte, from −128 up, becomes first.
    """

    address: int
    shape: tuple[int, int, int]
    columns: int
    channels: int
    stride: int
    dilation: int
    before: int
    outside: int
    table: tuple[int, ...] | None

    @property
    def size(self) -> int:
        """Bytes of a packed input."""
        return self.shape[0] * self.columns * _filled(self.channels)

    def packed(self, vector: Int8s) -> bytes:
        """Of an int8 input in the net's own shape."""
        return ends.packed(vars(self), vector)


@dataclass(frozen=True)
class Result:
    """Where an output lies: `points` of `channels` bytes, each in whole words, from the host's address `address` up."""

    address: int
    points: int
    channels: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.points * _filled(self.channels)

    def unpacked(self, content: bytes) -> Int8s:
        """In the net's own shape."""
        points = np.frombuffer(content, np.int8).reshape(self.points, -1)
        return points[:, : self.channels].reshape(self.shape)


@dataclass(frozen=True)
class Step:
    """An operation of the program: the layer it belongs to, its predicted cycles, and the share of the engine's
    multiplications in them that the layer needs, and how many it needs.
    """

    operator: str
    layer: str
    cycles: int
    utilisation: float
    multiplications: int


@dataclass(frozen=True)
class Image:
    """`engine`: what it was compiled for; `needs`: the words of each memory that it takes (names as the engine's).
    `segments`: (the host's address, bytes), for everything that is loaded once a model.
    """

    engine: Engine
    needs: dict[str, int]
    segments: tuple[tuple[int, bytes], ...]
    input: Feed
    output: Result
    steps: tuple[Step, ...]

    @property
    def cycles(self) -> int:
        """Of a run."""
        return sum(step.cycles for step in self.steps)

    def fits(self, engine: Engine) -> bool:
        """Whether another engine can run it."""
        words = asdict(engine)
        return engine.lanes == self.engine.lanes and all(
            self.needs[name] <= words[name] for name in self.needs
        )

    def content(self) -> bytes:
        """The file: head, description (JSON), segments, and the SHA-256 digest of all that."""
        described: dict[str, Any] = {
            "engine": asdict(self.engine),
            "needs": self.needs,
            "input": asdict(self.input),
            "output": asdict(self.output),
            "steps": [asdict(step) for step in self.steps],
        }
        text = json.dumps(described, ensure_ascii=False, sort_keys=True).encode()
        parts = [_HEAD.pack(_MAGIC, _VERSION, len(self.segments), len(text)), text]
        for address, content in self.segments:
            parts += [_SEGMENT.pack(address, len(content)), content]
        whole = b"".join(parts)
        return whole + hashlib.sha256(whole).digest()


def image_of(content: bytes) -> Image:
    """The inverse of `content`. ImageError for anything else."""
    whole, digest = content[:-_DIGEST], content[-_DIGEST:]
    if not whole.startswith(_MAGIC):
        raise ImageError("This is no image of a net for an FPGA.")
    if hashlib.sha256(whole).digest() != digest:
        raise ImageError("The image is damaged: its digest is another. Take it anew from its bundle.")
    _, version, segments, length = _HEAD.unpack_from(whole)
    if version != _VERSION:
        raise ImageError(f"The image has version {version}; this program reads version {_VERSION}.")
    at = _HEAD.size + length
    described = json.loads(whole[_HEAD.size : at])
    found = []
    for _ in range(segments):
        address, size = _SEGMENT.unpack_from(whole, at)
        at += _SEGMENT.size
        found.append((address, whole[at : at + size]))
        at += size
    return _image(described, tuple(found))


def _image(described: dict[str, Any], segments: tuple[tuple[int, bytes], ...]) -> Image:
    feed, result = described["input"], described["output"]
    table = feed["table"]
    return Image(
        engine=Engine(**described["engine"]),
        needs=described["needs"],
        segments=segments,
        input=Feed(
            **{**feed, "shape": tuple(feed["shape"]), "table": None if table is None else tuple(table)}
        ),
        output=Result(**{**result, "shape": tuple(result["shape"])}),
        steps=tuple(Step(**step) for step in described["steps"]),
    )


def _filled(channels: int) -> int:
    return -(-channels // WORD) * WORD
