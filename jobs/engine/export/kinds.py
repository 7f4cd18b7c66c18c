"""What each kind of target adds to a bundle. A new kind is a module with an `add`, and one more line here.

Every bundle holds the model as files that `run.py` runs on any computer; the kind of target adds what is particular
to it (a C project, a page, a bitstream), or refuses.
"""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware.targets.profiles import Kind, Target
from jobs.engine.data import Arrays
from jobs.engine.export.selftest import Vectors, vectors
from jobs.engine.export.task import BuildTask
from jobs.engine.export.variants import Exports, RefusedError


@dataclass(frozen=True)
class Build:
    """A build whose model files are exported and measured: what `add` works on.

    `model` is the Keras model, `folder` the bundle's, empty yet: plain files only, no folders. `tick` gets a phase
    (`packing`) and 0..1 within it; call it now and then, it raises to break off. `log` writes into
    the job's log.
    """

    task: BuildTask
    report: dict[str, Any]
    model: Any
    arrays: Arrays
    exports: Exports
    folder: Path
    threads: int
    tick: Callable[[str, float], None]
    log: Callable[[str], None] = lambda _text: None

    @property
    def target(self) -> Target:
        return self.task.target

    @functools.cached_property
    def vectors(self) -> Vectors:
        """The self-test's, chosen once: running LiteRT's plain kernels takes a while."""
        return vectors(self.arrays, self.exports)


@dataclass(frozen=True)
class Added:
    """What a kind adds beside its files: entries of the manifest and of the bundle's metrics, which replace those of
    the same name, and the first section of README.md, in Markdown. `exports` and `vectors`, where given, take the place
    of LiteRT's files and of their self-test: the bundle then holds none of these.
    """

    manifest: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    readme: str = ""
    exports: Exports | None = None
    vectors: Vectors | None = None


Add = Callable[[Build], Added]
# "module:function" by kind, resolved when a build needs it. Called as `function(build) -> Added`; RefusedError when
# the model can't run on the target.
PACKAGINGS: dict[Kind, str] = {
    Kind.BROWSER: "jobs.engine.export.browser:add",
    Kind.FPGA: "jobs.engine.export.fpga.packaging:add",
    Kind.FORMAT: "jobs.engine.export.formats.packaging:add",
    Kind.LINUX: "jobs.engine.export.linux:add",
    Kind.MICROCONTROLLER: "jobs.engine.export.microcontroller.packaging:add",
}


# Of the kinds that judge a model file by running it: called as `function(content, target)`, a sentence or nothing.
JUDGES: dict[Kind, str] = {
    Kind.FPGA: "jobs.engine.export.fpga.judge:why_not",
    Kind.MICROCONTROLLER: "jobs.engine.export.microcontroller.packaging:why_not",
}


def judge_for(target: Target) -> Callable[[bytes], str] | None:
    """Says why a model file can't run on the target, or nothing; None where size and memory say enough."""
    if target.kind not in JUDGES:
        return None
    module, name = JUDGES[target.kind].split(":")
    function = getattr(importlib.import_module(module), name)
    return lambda content: str(function(content, target))


def packaging_for(target: Target) -> Add:
    """The function that completes bundles for a target. RefusedError when nothing is built for its kind (yet)."""
    if target.kind not in PACKAGINGS:
        raise RefusedError(f"Bundles for {target.title} cannot be built yet.")
    module, name = PACKAGINGS[target.kind].split(":")
    add: Add = getattr(importlib.import_module(module), name)
    return add
