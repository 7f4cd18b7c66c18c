"""A model as it lies in a bundle, and the engine that is to run it. Python 3.9 or newer, standard library alone.

Errors are raised as the class that the caller gives, with lines: a sentence first, then what to type.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, Callable

FORMAT = 1
SLOWER = 4  # a run may take so many times the cycles that the compiler reckoned

Trouble = Callable[..., Exception]


class Image:
    """What image.json says, checked; `read` gives the contents of files by name.

    `segments`: (address, bytes, whether it can be read back) of what is loaded once; `source` and `result`: (address,
    bytes) of an input and an output; `vectors`: (input, output) to replay.
    """

    def __init__(self, read: Callable[[str], bytes], trouble: Trouble) -> None:
        try:
            said: dict[str, Any] = json.loads(read("image.json"))
        except ValueError:
            raise trouble("image.json is damaged; unpack the bundle again.") from None
        if said.get("format") != FORMAT:
            raise trouble(f"This host.py loads images of format {FORMAT}, not {said.get('format')}.")
        self.said = said
        self.needs: dict[str, Any] = said["needs"]
        data, vectors = (self._checked(name, read(name), trouble) for name in ("image.bin", "vectors.bin"))
        self.segments, at = [], 0
        for each in said["segments"]:
            self.segments.append((each["address"], data[at : at + each["length"]], each["readable"]))
            at += each["length"]
        self.source, self.result = (
            (said[end]["address"], said[end]["length"]) for end in ("input", "output")
        )
        taken = self.source[1]
        size = taken + len(self.used(bytes(self.result[1])))
        pairs = [vectors[at : at + size] for at in range(0, said["vectors"] * size, size)]
        self.vectors = [(pair[:taken], pair[taken:]) for pair in pairs]

    def _checked(self, name: str, content: bytes, trouble: Trouble) -> bytes:
        if hashlib.sha256(content).hexdigest() != self.said["sha256"][name]:
            raise trouble(f"{name} is damaged (its hash is not image.json's); unpack the bundle again.")
        return content

    def used(self, output: bytes) -> bytes:
        """The bytes of an output that count: the engine's words may be longer than its points."""
        row, used = self.said["output"]["row"], self.said["output"]["used"]
        return b"".join(output[at : at + used] for at in range(0, len(output), row))

    @property
    def digests(self) -> set[str]:
        """Of the circuits that run it: the one that it is loaded into, and one that holds it if there is."""
        held = self.needs.get("contained")
        return {self.needs["digest"], *([held["digest"]] if held else [])}

    def programming(self) -> str:
        """What a person types to program the board."""
        return f"    openFPGALoader -b {self.needs['loader']} {self.needs['bitstream']}"


class Board:
    """The engine at the other end of a line: `client` is link.py's, whose LinkError every method raises."""

    def __init__(self, client: Any, trouble: Trouble) -> None:
        self.client = client
        self.trouble = trouble
        self.identity = client.identify()

    def check(self, image: Image) -> None:
        """That the image is made for this circuit."""
        said, needs = self.identity, image.needs
        if said.digest not in image.digests:
            raise self.trouble(
                f"The board has another bitstream ({said.board}, {said.lanes} lanes, {said.digest[:8]}) than this "
                f"model needs ({needs['board']}, {needs['digest'][:8]}). Type:",
                "",
                image.programming(),
            )

    def holds(self, image: Image) -> bool:
        """Whether its bitstream holds the very net, so that nothing has to be loaded."""
        return self.identity.digest in image.digests - {image.needs["digest"]}

    def load(self, image: Image) -> dict[str, Any]:
        """Writes the image, and reads back what can be read: bytes of both, seconds."""
        began, verified = time.monotonic(), 0
        for address, data, _ in image.segments:
            self.client.write(address, data)
        for address, data, readable in image.segments:
            found = self.client.read(address, len(data)) if readable else data
            verified += len(data) if readable else 0
            if found != data:
                wrong = next(at for at, pair in enumerate(zip(found, data)) if pair[0] != pair[1])  # noqa: B905
                raise self.trouble(
                    f"What was written to address {address + wrong} reads back as {found[wrong]}, not {data[wrong]}: "
                    "the board's memory or its power supply is not right."
                )
        return {
            "loaded": sum(len(data) for _, data, _ in image.segments),
            "verified": verified,
            "seconds": round(time.monotonic() - began, 3),
        }

    def infer(self, image: Image, source: bytes) -> tuple[bytes, int]:
        """A packed input to the bytes of its output that count, and the cycles that it took."""
        limit = SLOWER * image.said["cycles"]
        seconds = limit / self.identity.clock_hz
        output, cycles = self.client.infer(
            (image.source[0], source), image.result, limit=limit, seconds=seconds
        )
        return image.used(output), cycles
