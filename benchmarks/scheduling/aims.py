"""What was promised of the policy, and whether it holds: on the traces themselves, as the others were measured."""

from collections.abc import Iterator

from benchmarks.row import Row
from benchmarks.scheduling.cases import ESTIMATES, HOG, OURS, SPLIT
from benchmarks.scheduling.run import Measured
from benchmarks.scheduling.tables import Found

GAVEL = {
    "mixed-600": ("4.48", 90.4),
    "philly-1000": ("4.10", 60.0),
}  # least attained service: average, makespan
AVERAGE_H = {"mixed-600": 4.1, "philly-1000": 2.6}
WORST_RHO = {"mixed-600": 1.6, "philly-1000": 3.5}
OTHERS_MEAN, OTHERS_P99 = 0.95, 2.1
LOSS = 1.1  # the others may fare so much worse before cutting counts as taking from them,
GAIN = 1.05  # and who cuts have so much more before it counts as gain


def _rows(found: Found) -> Iterator[Row]:
    for name, cases in found.items():
        ours, told = cases[OURS], cases[ESTIMATES]
        average, makespan = GAVEL[name]
        for title, measured in (("no estimates", ours), ("σ = 0.5", told)):
            yield _at_most(
                f"{name}, {title}: average h", measured, "average", AVERAGE_H[name], f"Gavel {average}"
            )
            yield _at_most(
                f"{name}, {title}: makespan h", measured, "makespan", makespan, f"Gavel {makespan}"
            )
        yield _at_most(f"{name}, σ = 0.5: max ρ", told, "rho_max", WORST_RHO[name])
        hog = cases[HOG]
        yield _at_most(f"{name}, hog: the others' mean ρ", hog, "others_rho_mean", OTHERS_MEAN)
        yield _at_most(f"{name}, hog: the others' p99 ρ", hog, "others_rho_p99", OTHERS_P99)
        split = cases[SPLIT]
        lost = f"{name}, hog who cuts their ten longest jobs into twenty: the others' mean ρ"
        yield _cut(lost, "others_rho_mean", LOSS, hog, split, digits=2)
        had = f"{name}, the same hog: their accelerator-hours until the last job came"
        yield _cut(had, "first_had", GAIN, hog, split, digits=0)


def _at_most(what: str, measured: Measured, name: str, most: float, baseline: str = "") -> Row:
    """Judged on the trace itself, as the others were. Beside it the mean over its copies: how much of it is luck."""
    value = float(measured.values(name)[0])
    copies = f" ({measured.mean(name):.2f} ± {measured.width(name):.2f})"
    return Row(what, f"{value:.2f}{copies}", baseline, goal=f"≤ {most}", met=value <= most)


def _cut(what: str, field: str, most: float, whole: Measured, split: Measured, *, digits: int) -> Row:
    """A figure of the case in which the hog cuts jobs, against that in which they don't; means of the copies."""
    before, after = whole.mean(field), split.mean(field)
    return Row(
        what,
        f"{after:.{digits}f}",
        f"uncut: {before:.{digits}f}",
        ratio=f"{after / before:.2f}",
        goal=f"ratio ≤ {most}",
        met=after / before <= most,
    )


def table(found: Found) -> str:
    head = (
        "## Aims\n\nOn the trace itself, and in brackets over it and its copies: where the two differ, or the interval "
        "reaches past the aim, it is met by luck as much as by the policy.\n\n"
    )
    head += "| what | measured | baseline | ratio | goal | |\n|---|---|---|---|---|---|\n"
    return head + "".join(row.markdown() + "\n" for row in _rows(found))


def all_met(found: Found) -> bool:
    return all(row.met for row in _rows(found))
