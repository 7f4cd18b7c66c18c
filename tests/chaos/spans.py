"""Stretches of time: lists of (begin, end) in seconds, sorted, none touching another."""

from collections.abc import Iterable, Sequence

Span = tuple[float, float]


def union(spans: Iterable[Span]) -> list[Span]:
    """Every moment that is in any of `spans`, which may overlap and come in any order."""
    found: list[Span] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def common(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """Every moment that is in both."""
    found, a, b = [], 0, 0
    while a < len(first) and b < len(second):
        begin, end = max(first[a][0], second[b][0]), min(first[a][1], second[b][1])
        if begin < end:
            found.append((begin, end))
        if first[a][1] < second[b][1]:
            a += 1
        else:
            b += 1
    return found


def without(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """Every moment of the first that is not in the second."""
    edges = [float("-inf"), *(edge for span in second for edge in span), float("inf")]
    return common(first, list(zip(edges[::2], edges[1::2], strict=True)))


def length(spans: Iterable[Span]) -> float:
    return sum(end - begin for begin, end in spans)


def overlapping(spans: Iterable[Span]) -> int:
    """How many begin before one that began earlier has ended."""
    latest, count = float("-inf"), 0
    for begin, end in sorted(spans):
        count += begin < latest
        latest = max(latest, end)
    return count
