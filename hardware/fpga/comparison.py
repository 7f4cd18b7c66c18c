"""Answers of simulated circuits held against those that are expected, vector by vector; one that differs is kept."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hardware.fpga.errors import MismatchError
from hardware.fpga.flow import Progress
from hardware.fpga.image import Image
from hardware.fpga.ir import Int8s
from hardware.fpga.simulator import Simulator
from hardware.fpga.tools import CancelledError
from hardware.fpga.verilator import SimulationError

_EVERY_S = 1.0  # how often a comparison says how far it is, and asks whether it is called off

Circuit = TypeVar("Circuit", bound=Simulator)
Numbers = NDArray[np.intp]
Difference = tuple[int, Int8s]
"""The number of a vector, and the output that was found."""


@dataclass(frozen=True)
class Vectors:
    """What is compared: inputs and expected outputs, both (n, …), and `folder`, where one that differs is kept."""

    inputs: Int8s
    expected: Int8s
    folder: Path
    progress: Progress
    cancelled: Callable[[], bool]

    def sample(self, count: int) -> Numbers:
        """Numbers of so many of them, or of all, spread over the set."""
        last = len(self.inputs) - 1
        return np.unique(np.linspace(0, last, min(count, last + 1)).round().astype(np.intp))

    def same(self, number: int, found: Int8s) -> bool:
        return np.array_equal(found.ravel(), self.expected[number].ravel())

    def told(self, stage: str, done: int, count: int) -> None:
        """Says how far a comparison is. CancelledError once it is called off."""
        self.progress(stage, f"{done} of {count} vectors")
        if self.cancelled():
            raise CancelledError("the comparison was called off")

    def mismatch(self, stage: str, difference: Difference) -> MismatchError:
        """The error for it; the vector is kept."""
        number, found = difference
        kept = self.folder / f"mismatch-{stage}.npz"
        np.savez(kept, number=number, input=self.inputs[number], expected=self.expected[number], found=found)
        return MismatchError(stage=stage, number=number, kept=kept)


def compare(
    stage: str,
    start: Callable[[], Circuit],
    image: Image,
    vectors: Vectors,
    numbers: Numbers,
    *,
    loads: bool = True,
    then: Callable[[Circuit], None] = lambda _circuit: None,
) -> None:
    """These vectors, in rising order, in as many simulators at once as there are processors; the image is loaded first,
    where it `loads`. `then` gets the simulator that answered the last of them.

    MismatchError for the first that differs. SimulationError where a run takes other cycles than predicted, or never
    ends; CancelledError; and what `then` raises.
    """
    workers = len(os.sched_getaffinity(0))
    parts = [part for part in np.array_split(numbers, workers) if len(part)]
    stopped, counts = threading.Event(), [0] * len(parts)
    differing = [len(vectors.inputs)]  # those behind the first of them need not be looked at

    def work(place: int) -> Difference | None:
        part = parts[place]

        def stepped(done: int) -> bool:
            counts[place] = done
            return not stopped.is_set() and (done == len(part) or part[done] < min(differing))

        with start() as circuit:
            if loads:
                circuit.load(image)
            if found := difference(circuit, image, vectors, part, stepped):
                differing.append(found[0])
            elif part is parts[-1] and counts[place] == len(part):
                then(circuit)
            return found

    with ThreadPoolExecutor(len(parts)) as pool:
        running = [pool.submit(work, place) for place in range(len(parts))]
        try:
            while not _ended(running):
                vectors.told(stage, sum(counts), len(numbers))
        finally:
            stopped.set()
    found = [each for future in running if (each := future.result()) is not None]
    if found:
        raise vectors.mismatch(stage, min(found, key=lambda each: each[0]))


def difference(
    circuit: Simulator,
    image: Image,
    vectors: Vectors,
    numbers: Numbers,
    stepped: Callable[[int], bool],
) -> Difference | None:
    """The first of these vectors that a circuit, which holds the net, answers otherwise. `stepped` is told how many are
    done, and says whether to go on.
    """
    answers = circuit.each_answer(image, vectors.inputs[numbers])
    for done, (number, (found, cycles)) in enumerate(zip(numbers.tolist(), answers, strict=True), start=1):
        if not vectors.same(number, found):
            return number, found
        if cycles != image.cycles:
            raise SimulationError(f"Vector {number} took {cycles:,} cycles, {image.cycles:,} were predicted.")
        if not stepped(done):
            break
    return None


def _ended(running: list[Future[Difference | None]]) -> bool:
    """Whether all are done, or one has failed; waits a moment."""
    done, waiting = wait(running, timeout=_EVERY_S, return_when=FIRST_EXCEPTION)
    return not waiting or any(each.exception() is not None for each in done)
