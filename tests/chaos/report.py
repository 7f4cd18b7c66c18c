"""The table, and docs/chaos.md."""

import argparse
import sys
from collections.abc import Sequence

from tests.chaos.plant import FEW
from tests.chaos.verdict import Finding
from tests.e2e.portal import ROOT
from tests.faults.report import machine

DOCUMENT = ROOT / "docs" / "chaos.md"
CONFINED = {True: "in the sandbox", False: "but not in the sandbox, which did not work there"}
VERDICTS = {True: "holds", False: "**does not hold**", None: ""}
HEAD = """# Chaos

Written by `make chaos ARGS='{arguments}'`: {jobs:,} jobs, all queued at the start, through the real scheduler and three
real nodes in processes and homes of their own, on one PostgreSQL, one Redis and one store of files. {trainings} of them
train a table classifier; the rest do nothing for {length:g} s on average, each in a process of its own as any
job, {confined}. Meanwhile a worker, Redis or the scheduler is killed (SIGKILL) every {every:g} s on
average (seed {seed}), and started again by the portal's own supervisor. Two nodes have {slots} accelerators each; the
third has {few}, and it alone loads TensorFlow: what trains runs there. It took {minutes:.0f} minutes.

{machine}

"""
TAIL = """
A job that does nothing writes down when it began, that it lives, and, as its effect, that it ended. *Effective* is the
end that the database holds; a run whose worker is killed between its last line and the database's commit is run again,
and counted as such. A part is of use again when a job starts on the node, or for Redis and the scheduler when a job is
sent to any node. Idle are the accelerator-seconds in which nothing was placed on an accelerator (or nothing ran on it)
while at least one job was queued, divided by all accelerator-seconds until nothing was queued any more; a lost attempt
counts until the kill, not until it was noticed. "While all that it needs is there" leaves out what passed between the
kill of its node, of Redis or of the scheduler, and until that was of use again. The kills end when fewer jobs are left
than there are accelerators: a job that is alone on two nodes that die is given up, as is meant.
"""


def table(findings: Sequence[Finding]) -> str:
    rows = (f"| {each.what} | {each.found} | {each.promised} | {VERDICTS[each.holds]} |" for each in findings)
    return "\n".join(["| what | found | promised | |", "|---|---|---|---|", *rows])


def _told(arguments: Sequence[str]) -> list[str]:
    """Without the folder in which all was left: it is nobody else's."""
    words = iter(arguments)
    return [word for word in words if word != "--keep" or not next(words, "")]


def write(findings: Sequence[Finding], asked: argparse.Namespace, *, lasted_s: float, confined: bool) -> None:
    given = {
        "arguments": " ".join(_told(sys.argv[1:])),
        "minutes": lasted_s / 60,
        "machine": machine(),
        "few": FEW,
        "confined": CONFINED[confined],
    }
    head = HEAD.format(**vars(asked), **given)
    DOCUMENT.write_text(head + table(findings) + "\n" + TAIL, encoding="utf-8")
