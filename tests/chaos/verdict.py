"""What is to hold after all that, and the figures: arithmetic over a `History`."""

import statistics
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.history import Attempt, History
from tests.chaos.monkey import WEIGHTS, Kill
from tests.chaos.spans import Span, common, length, overlapping, union, without

RECOVERED_S = 30.0
REFUNDED = frozenset({"node_lost", "platform_error", "disk_full", "lost_too_often", "crowded_out"})


@dataclass(frozen=True)
class Finding:
    """A row of the table. `holds` is None for a figure that nothing is promised of."""

    what: str
    found: str
    promised: str = ""
    holds: bool | None = None


def judge(history: History, *, idle: float) -> list[Finding]:
    """`idle`: the most that may be idle while work waits, as a fraction."""
    return [*_once(history), *_recovery(history), *_idle(history, idle)]


def _none(what: str, found: int) -> Finding:
    return Finding(what, f"{found}", "0", found == 0)


# -- nothing lost, nothing twice --------------------------------------------------------------------------------------


def _once(history: History) -> Iterator[Finding]:
    succeeded = sum(status == "succeeded" for status in history.jobs.values())
    others = Counter(status for status in history.jobs.values() if status != "succeeded")
    found = ", ".join([f"{succeeded:,}", *(f"{count} {status}" for status, count in others.items())])
    yield Finding("jobs that succeeded", found, f"{len(history.jobs):,}", succeeded == len(history.jobs))
    yield _none(
        "jobs without exactly one final event", sum(_finals(history, job) != 1 for job in history.jobs)
    )
    yield _none("attempts still open", sum(each.ended is None for each in history.attempts))
    yield from _effects(history)
    yield _none("jobs on one accelerator at once", _crowded(history))
    yield _none(
        "attempts not charged once, or refunded wrongly", sum(map(_is_charged_wrongly, history.attempts))
    )
    yield _none("processes and folders left at the end", len(history.left))
    lost = Counter(each.reason for each in history.attempts)
    yield Finding("attempts", ", ".join(f"{count:,} {why}" for why, count in lost.most_common()))


def _finals(history: History, job: str) -> int:
    return history.finals.get(job, 0)


def _effects(history: History) -> Iterator[Finding]:
    """Of the jobs that do nothing: their lines against the attempts that the database holds for their ends. Of the
    trainings: one model each.
    """
    done = Counter(each.job for each in history.attempts if each.reason == "done")
    keys = {each.key for each in history.attempts if each.reason == "done" and each.job in history.noops}
    real = history.jobs.keys() - history.noops
    yield _none("jobs without exactly one effective end", sum(done[job] != 1 for job in history.jobs))
    yield _none(
        "effective ends without exactly one effect", sum(history.effects.get(key) != 1 for key in keys)
    )
    yield _none("trainings without exactly one model", sum(history.models.get(job, 0) != 1 for job in real))
    lived: dict[str, list[Span]] = defaultdict(list)
    for (job, _number), span in history.lived.items():
        lived[job].append(span)
    yield _none("runs of one job at the same time", sum(map(overlapping, lived.values())))
    vain = sum(count for key, count in history.effects.items() if key not in keys)
    yield Finding("ends that a kill kept from being written down, and so run again", f"{vain}")


def _crowded(history: History) -> int:
    return sum(overlapping(spans) for spans in _held(history).values())


def _is_charged_wrongly(attempt: Attempt) -> bool:
    due = (attempt.reason in REFUNDED,) if attempt.started is not None else ()
    return attempt.refunds != due


# -- how soon it goes on ----------------------------------------------------------------------------------------------


def _recovery(history: History) -> Iterator[Finding]:
    """Of a node: until a job starts on it. Of the rest: until a job is sent to a node."""
    for part in WEIGHTS:
        kills = [kill for kill in history.kills if kill.part == part]
        away = [after for kill in kills if (after := recovered_after(history, kill)) is not None]
        yield Finding(
            f"{part} killed {len(kills)} times; until it was of use again, median and most",
            f"{statistics.median(away):.1f} s, {max(away):.1f} s" if away else "–",
            f"≤ {RECOVERED_S:.0f} s",
            max(away, default=0.0) <= RECOVERED_S,
        )
    noticed = [each.ended - kill.at for kill, each in _lost(history) if each.ended is not None]
    if noticed:
        found = f"{len(noticed)}; {statistics.median(noticed):.1f} s, {max(noticed):.1f} s"
        holds = max(noticed) <= RECOVERED_S
        yield Finding(
            "attempts lost; until their jobs were queued again, median and most",
            found, f"≤ {RECOVERED_S:.0f} s", holds,
        )  # fmt: skip


def recovered_after(history: History, kill: Kill) -> float | None:
    """Seconds from the kill until the part was of use; None when it was killed again before, or nothing waited that
    could have told.
    """
    signs = _signs(history, kill.part)
    at = bisect_right(signs, kill.at)
    back = signs[at] if at < len(signs) else history.over
    again = any(other.part == kill.part and kill.at < other.at <= back for other in history.kills)
    waited = common(_waiting(history), [(kill.at, back)])
    if again or (at == len(signs) and length(waited) < RECOVERED_S):
        return None
    return back - kill.at


def _signs(history: History, part: str) -> list[float]:
    """When it showed to be of use."""
    if part in history.accelerators.values():
        return sorted(each.started for each in history.attempts if each.node == part and each.started)
    return sorted(each.placed for each in history.attempts)


def _lost(history: History) -> Iterator[tuple[Kill, Attempt]]:
    """Attempts that ended with their node, and the kill that it was."""
    for attempt in history.attempts:
        if attempt.reason == "node_lost" and (kill := _killed_by(history, attempt)):
            yield kill, attempt


def _killed_by(history: History, attempt: Attempt) -> Kill | None:
    """The first kill of its node while that had it; what no node has claimed yet outlives a kill."""
    if attempt.claimed is None:
        return None
    ended = attempt.ended if attempt.ended is not None else history.over
    kills = (k for k in history.kills if k.part == attempt.node and attempt.claimed <= k.at <= ended)
    return next(kills, None)


# -- idle while work waits --------------------------------------------------------------------------------------------


def _idle(history: History, most: float) -> Iterator[Finding]:
    """Accelerator-seconds without an attempt (or without one that runs) while a job was queued, of all there were until
    nothing was queued any more.
    """
    whole = union([(history.began, max((end for _begin, end in _waiting(history)), default=history.began))])
    seconds = length(whole) * len(history.accelerators)
    waiting, away = common(_waiting(history), whole), _away(history)
    yield Finding("accelerator-seconds until nothing waited any more", f"{seconds:,.0f}")
    for what, running in (("nothing placed on it", False), ("nothing running on it", True)):
        held = _held(history, running=running)
        idle = {each: without(waiting, union(held[each])) for each in history.accelerators}
        there = sum(length(without(spans, away[each])) for each, spans in idle.items()) / max(seconds, 1e-9)
        yield Finding(
            f"idle while work waits, {what}: while all that it needs is there",
            f"{there:.2%}",
            "" if running else f"< {most:.0%}",
            None if running else there < most,
        )
        all_ = sum(map(length, idle.values())) / max(seconds, 1e-9)
        yield Finding(f"idle while work waits, {what}: with the seconds that a part was away", f"{all_:.2%}")


def _waiting(history: History) -> list[Span]:
    """When at least one job was queued."""
    found, count, since = [], 0, 0.0
    for at, step in sorted(history.moves):
        if count == 0 and step > 0:
            since = at
        count += step
        if count == 0:
            found.append((since, at))
    return union([*found, *([(since, history.over)] if count > 0 else [])])


def _held(history: History, *, running: bool = False) -> dict[str, list[Span]]:
    """When each accelerator had an attempt. One that was lost ended with its node, not when that was noticed."""
    held: dict[str, list[Span]] = defaultdict(list)
    for each in history.attempts:
        kill = _killed_by(history, each)
        begin = each.started if running else each.placed
        end = kill.at if kill else each.ended if each.ended is not None else history.over
        if begin is not None:
            for accelerator in each.accelerators:
                held[accelerator].append((begin, end))
    return held


def _away(history: History) -> dict[str, list[Span]]:
    """When each accelerator could not work, or nobody could send it work."""
    by_part: dict[str, list[Span]] = defaultdict(list)
    for part in WEIGHTS:
        signs = _signs(history, part)
        for kill in (kill for kill in history.kills if kill.part == part):
            at = bisect_right(signs, kill.at)
            by_part[part].append((kill.at, signs[at] if at < len(signs) else history.over))
    general = [
        span for part, spans in by_part.items() if part not in history.accelerators.values() for span in spans
    ]
    return {each: union([*general, *by_part[node]]) for each, node in history.accelerators.items()}
