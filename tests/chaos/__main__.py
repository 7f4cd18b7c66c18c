"""`make chaos`: thousands of jobs through real workers while these, Redis and the scheduler are killed.

Prints a table; exits with 1 when something does not hold.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import django

from tests.chaos.monkey import Monkey
from tests.chaos.plant import NODES, Plant, slots_of
from tests.faults.cluster import cluster

CONNECTIONS_A_JOB = 2
CALM_S = 120.0  # for the last jobs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--trainings", type=int, default=200, help="how many of the jobs really train")
    parser.add_argument("--slots", type=int, default=24, help="accelerators of each node")
    parser.add_argument("--length", type=float, default=12.0, help="mean seconds of a job that does nothing")
    parser.add_argument("--every", type=float, default=8.0, help="mean seconds between kills")
    parser.add_argument("--seconds", type=float, default=7200.0, help="the most that it may take")
    parser.add_argument("--idle", type=float, default=0.02, help="the most that may be idle while work waits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder in which everything is left")
    parser.add_argument("--write", action="store_true", help="write docs/chaos.md")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    connections = 40 + CONNECTIONS_A_JOB * slots_of(asked.slots) * 2
    with (
        tempfile.TemporaryDirectory(prefix="gm-chaos-") as folder,
        cluster(connections=connections) as database,
    ):
        home = asked.keep or Path(folder)
        plant = Plant(home, database.address(), asked.slots)
        plant.manage("migrate", "--verbosity", "0")
        os.environ.update(plant.env)
        django.setup()
        return _run(plant, asked)


def _run(plant: Plant, asked: argparse.Namespace) -> int:
    from tests.chaos import history, load, report, verdict, watch

    with plant.shared_store(), plant.accounted():
        slots = slots_of(asked.slots)
        monkey = Monkey(plant.kill, seed=asked.seed, every_s=asked.every)
        with plant.running("redis"):
            load.submit(
                jobs=asked.jobs,
                trainings=asked.trainings,
                length_s=asked.length,
                slots=slots,
                seed=asked.seed,
            )
            with plant.running(*NODES):
                watch.until_ready(NODES)
                # Not before: of a few jobs none might be left by the time that the last node is ready.
                with plant.running("scheduler"):
                    began = time.time()
                    monkey.start()
                    watch.until_left(slots, within_s=asked.seconds)
                    monkey.stop()
                    watch.until_left(0, within_s=CALM_S)
                    over = time.time()
        found = history.read(monkey.kills, began=began, over=over)
        history.read_effects(found, plant.effects())
        found.left = [*plant.left_lying(), *(str(process) for process in plant.orphans)]
    for text in (*found.left, *found.odd):
        sys.stderr.write(f"{text}\n")
    findings = verdict.judge(found, idle=asked.idle)
    sys.stdout.write(report.table(findings) + "\n")
    if asked.write:
        report.write(findings, asked, lasted_s=over - began, confined=watch.are_confined(NODES))
    return 1 if any(finding.holds is False for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
