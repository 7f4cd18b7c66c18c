"""Inline SVG for the report: plain shapes, no scripts, readable by anything that shows HTML."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5")


def lines(title: str, series: Mapping[str, Sequence[float]], *, across: str) -> str:
    """One line a series over 1, 2, 3, …; what is not finite is skipped. Empty when nothing is left."""
    points = {
        name: [(float(place), value) for place, value in enumerate(values, start=1) if math.isfinite(value)]
        for name, values in series.items()
    }
    points = {name: found for name, found in points.items() if found}
    if not points:
        return ""
    frame = _Frame([point for found in points.values() for point in found])
    drawn = []
    for colour, (name, found) in zip(COLOURS, points.items(), strict=False):
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in found)
        drawn.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{path}">'
            f"<title>{escape(name)}</title></polyline>"
        )
    legend = " ".join(
        f'<span style="color:{colour}">&#9632;</span> {escape(name)}'
        for colour, name in zip(COLOURS, points, strict=False)
    )
    return _figure(title, frame.axes(across) + "".join(drawn), legend)


def scatter(title: str, points: Sequence[tuple[float, float]], *, across: str) -> str:
    """Dots, and the diagonal on which both values are the same."""
    if not points:
        return ""
    frame = _Frame(points)
    low, high = max(frame.left, frame.bottom), min(frame.right, frame.top)
    diagonal = (
        f'<line x1="{frame.x(low):.1f}" y1="{frame.y(low):.1f}" x2="{frame.x(high):.1f}" '
        f'y2="{frame.y(high):.1f}" stroke="#999" stroke-dasharray="4 4"/>'
        if low < high
        else ""
    )
    dots = "".join(
        f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.2" fill="{COLOURS[0]}" opacity=".6"/>'
        for x, y in points
    )
    return _figure(title, frame.axes(across) + diagonal + dots, "")


class _Frame:
    """The rectangle that some points span, mapped into the drawing."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self.left, self.right = _span([x for x, _ in points])
        self.bottom, self.top = _span([y for _, y in points])

    def x(self, value: float) -> float:
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)

    def axes(self, across: str) -> str:
        bottom = HEIGHT - BOTTOM
        texts = [
            _text(LEFT, HEIGHT - 10, f"{self.left:.4g}", "start"),
            _text(WIDTH - RIGHT, HEIGHT - 10, f"{self.right:.4g}", "end"),
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, "middle"),
            _text(LEFT - 6, bottom, f"{self.bottom:.3g}", "end"),
            _text(LEFT - 6, TOP + 10, f"{self.top:.3g}", "end"),
        ]
        return f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>' + "".join(
            texts
        )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="11" fill="currentColor">'
        f"{escape(text)}</text>"
    )


def _figure(title: str, inside: str, legend: str) -> str:
    return (
        f"<figure><figcaption>{escape(title)} {legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{inside}</svg></figure>'
    )
