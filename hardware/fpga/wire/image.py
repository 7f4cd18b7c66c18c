"""A model as wire/board.py reads it: `image.json` says what lies in `image.bin` and `vectors.bin`."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hardware.fpga.engine import WORD, Memory
from hardware.fpga.image import Image as Compiled
from hardware.fpga.ir import Int8s

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is written into an engine once (address, bytes), where its input (address, count) and output lie, the cycles
    that a run takes by the compiler's reckoning, and vectors (input, output) to replay.

    `readable`: the first address that reads back what was written there. Of each `row` bytes of the output the first
    `used` count; a vector's output has those alone. `shape` is the output's, `feed` how an input is packed, `ends` what
    is done around the engine (floats.py): None for a net that takes raw inputs alone.
    """

    title: str
    segments: Sequence[tuple[int, bytes]]
    source: tuple[int, int]
    result: tuple[int, int]
    row: int
    used: int
    cycles: int
    readable: int = 0
    shape: tuple[int, ...] = ()
    feed: dict[str, Any] | None = None
    ends: dict[str, Any] | None = None
    vectors: Sequence[tuple[bytes, bytes]] = ()


def files(
    image: Image,
    *,
    digest: bytes,
    board: str,
    loader: str,
    bitstream: str,
    contained: tuple[bytes, str] | None = None,
) -> dict[str, bytes]:
    """The files' contents by name, for the circuit of this digest (identity.py) on that board.

    `loader` and `bitstream`: what a person is told to program it with. `contained`: digest and file of a bitstream that
    holds the net, where there is one. ValueError for vectors of other sizes.
    """
    answered = image.result[1] // image.row * image.used
    for source, result in image.vectors:
        if (len(source), len(result)) != (image.source[1], answered):
            raise ValueError("a vector has another size than the input and output")
    content = {
        "image.bin": b"".join(data for _, data in image.segments),
        "vectors.bin": b"".join(source + result for source, result in image.vectors),
    }
    needs: dict[str, Any] = {"digest": digest.hex(), "board": board, "loader": loader, "bitstream": bitstream}
    if contained is not None:
        needs["contained"] = {"digest": contained[0].hex(), "bitstream": contained[1]}
    said: dict[str, Any] = {
        "format": FORMAT,
        "title": image.title,
        "needs": needs,
        "segments": [
            {"address": address, "length": len(data), "readable": address >= image.readable}
            for address, data in image.segments
        ],
        "input": {"address": image.source[0], "length": image.source[1]},
        "output": {
            "address": image.result[0],
            "length": image.result[1],
            "row": image.row,
            "used": image.used,
            "shape": list(image.shape),
        },
        "cycles": image.cycles,
        "vectors": len(image.vectors),
        "feed": image.feed,
        "ends": image.ends,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    return {**content, "image.json": json.dumps(said, indent=1).encode()}


def of_net(
    net: Compiled, *, title: str, inputs: Int8s, outputs: Int8s, ends: dict[str, Any] | None = None
) -> Image:
    """Of a compiled net; `inputs` (n, …) and what the net answers, `outputs` (n, …), become its vectors."""
    row = -(-net.output.channels // WORD) * WORD
    return Image(
        title=title,
        segments=net.segments,
        source=(net.input.address, net.input.size),
        result=(net.output.address, net.output.size),
        row=row,
        used=net.output.channels,
        cycles=net.cycles,
        readable=Memory.ACTIVATIONS.address(0),
        shape=net.output.shape,
        feed=asdict(net.input),
        ends=ends,
        vectors=[
            (net.input.packed(source), result.tobytes())
            for source, result in zip(inputs, outputs, strict=True)
        ],
    )
