"""What a plan leads to: where each job is once it is applied."""

import numpy as np

from jobs.scheduler.snapshot import NOWHERE, Ints, Jobs, Plan


def rows_of(jobs: Jobs, made: Plan) -> dict[str, int]:
    """The rows of the jobs that the plan names."""
    named = {*made.preempted, *(each.job for each in made.placements)}
    named |= {each.beside for each in made.placements if each.beside is not None}
    return {job: row for row, job in enumerate(jobs.ids) if job in named}


def once_applied(jobs: Jobs, made: Plan) -> tuple[Ints, Ints]:
    """`pool` and `unit` of each job after the plan, whoever gives way being gone. An accelerator that somebody was just
    put on, and that others may come to, has a number larger than any before.
    """
    row, pool, unit = rows_of(jobs, made), jobs.pool.copy(), jobs.unit.copy()
    gone = [row[job] for job in made.preempted]
    pool[gone], unit[gone] = NOWHERE, NOWHERE
    for number, each in enumerate(made.placements, start=int(unit.max(initial=0)) + 1):
        job = row[each.job]
        pool[job] = each.pool
        unit[job] = number if each.beside is None else unit[row[each.beside]]
    return pool, np.where(jobs.may_share, unit, NOWHERE)
