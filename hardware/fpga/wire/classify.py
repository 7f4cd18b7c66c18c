"""Answers about files from the board: read and told by run.py beside it, computed by the engine in place of LiteRT.

Python 3.9 or newer, numpy; Pillow for pictures. Errors are raised as run.py's, or as link.py's when the line fails.
"""

from __future__ import annotations

import argparse
from typing import Any, Callable

Part = Callable[[str], Any]


class OnBoard:
    """In the place of run.py's Model. `ends` is what ends.py defines, `said` image.json; `infer` takes a packed input
    to the bytes of its output that count.
    """

    def __init__(self, ends: dict[str, Any], said: dict[str, Any], infer: Callable[[bytes], bytes]) -> None:
        self.ends, self.said, self.infer = ends, said, infer

    def __call__(self, x: Any, _name: str = "") -> Any:
        """The output vector, float32, of one input of batch 1."""
        vector = self.ends["entered"](self.said["ends"], x)[0]
        output = self.infer(self.ends["packed"](self.said["feed"], vector))
        steps = self.ends["unpacked"](output, self.said["output"]["shape"])
        return self.ends["left"](self.said["ends"], steps[None])[0]


def answered(
    given: argparse.Namespace, part: Part, said: dict[str, Any], infer: Callable[[bytes], bytes]
) -> int:
    """Answers the files, folders, watched folder or camera that were named; the exit status."""
    run = part("run.py")
    manifest = run["load_manifest"]()
    run["numpy"](manifest)  # or it says what to type
    asked = run["Asked"](given, manifest, OnBoard(part("ends.py"), said, infer))
    asked.paths(given.inputs)
    try:
        if given.watch:
            return int(run["watch"](given.watch, asked))
        return int(run["camera"](given.camera, given.interval, asked) if given.camera else asked.failed)
    except KeyboardInterrupt:
        return 0  # how watching is meant to end
