"""A replay in words and columns, for the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.queue.models import Replay
from portal.core.templatetags import ui

Cells = Sequence[str]


def as_json(found: Replay) -> dict[str, Any]:
    """For scripts: seconds throughout; `lines` are sorted by who loses most."""
    asked = {"days": found.days, "set": found.changes, "add": found.added, "restart_s": found.restart_s}
    return {"id": found.pk, "asked": asked, "facts": found.facts, **found.result}


def of(found: Replay) -> str:
    """The whole report as text."""
    facts, result = found.facts, found.result
    lines = [
        _("%(jobs)s jobs of %(days)s days, on %(accelerators)s accelerators, under: %(changes)s")
        % {
            "jobs": facts["jobs"],
            "days": found.days,
            "accelerators": result["accelerators_after"],
            "changes": found,
        },
        *(
            _("Left out: %(count)s that %(why)s.") % {"count": n, "why": why}
            for why, n in facts["left_out"].items()
        ),
        *_asides(facts),
        "",
        *_table(_rows(result)),
        "",
        _("Utilisation: %(before)s before, %(after)s after.")
        % {
            "before": ui.percent(result["utilisation_before"]),
            "after": ui.percent(result["utilisation_after"]),
        },
        trust(result["trust"]),
    ]
    return "\n".join(map(str, lines))


def trust(told: Mapping[str, Any]) -> str:
    """How far the simulation under the settings as they are resembles what was."""
    if not told["jobs"]:
        return _("None of these jobs has ended, so nobody can tell how far to trust this.")
    words = _(
        "How far to trust this: the %(jobs)s that have ended waited %(real)s on average and took %(took)s; the "
        "simulator, under the settings as they are, makes that %(wait)s and %(done)s. %(within)s of its waits are "
        "right to within five minutes or a fifth."
    )
    return words % {
        "jobs": told["jobs"],
        "real": ui.seconds(told["real"]["wait_mean_s"]),
        "took": ui.seconds(told["real"]["took_mean_s"]),
        "wait": ui.seconds(told["simulated"]["wait_mean_s"]),
        "done": ui.seconds(told["simulated"]["took_mean_s"]),
        "within": ui.percent(told["within"], 0),
    }


def change(seconds: float | None) -> str:
    """A difference with its sign."""
    if seconds is None:
        return ui.NOTHING
    sign = "+" if seconds >= 0.5 else "−" if seconds <= -0.5 else ""  # noqa: PLR2004 - rounds to nothing
    return f"{sign}{ui.seconds(abs(seconds))}"


def verdict(word: str) -> str:
    return {"longer": _("longer in all"), "shorter": _("shorter in all")}.get(word, _("about the same"))


def _asides(facts: Mapping[str, Any]) -> list[str]:
    said = []
    if facts["carried"]:
        said.append(
            _("%(count)s more were there when the days began: they take their place, and are not counted.")
            % {"count": facts["carried"]}
        )
    if facts["lost_s"]:
        said.append(
            _("%(time)s of device time that the platform lost is not replayed.")
            % {"time": ui.seconds(facts["lost_s"])}
        )
    return said


def _rows(result: Mapping[str, Any]) -> list[Cells]:
    head = (
        _("member"), _("jobs"), _("wait mean"), "→", _("median"), "→", _("until done"), "→", _("change"),
        _("gave way"), "→", "",
    )  # fmt: skip
    body = [_cells(line, line["member"]) for line in result["lines"]]
    return [head, *body, _cells(result["whole"], _("everyone"))]


def _cells(line: Mapping[str, Any], name: str) -> Cells:
    times = [
        ui.seconds(line[side][what])
        for what in ("wait_mean_s", "wait_median_s", "took_mean_s")
        for side in ("before", "after")
    ]
    gave_way = [str(line[f"preemptions_{side}"]) for side in ("before", "after")]
    return (name, str(line["jobs"]), *times, change(line["change_s"]), *gave_way, verdict(line["verdict"]))


def _table(rows: Sequence[Cells]) -> list[str]:
    """Columns as wide as they need; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if column in {0, last} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
