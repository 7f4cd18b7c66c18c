"""Bars as inline SVG: plain shapes without scripts, readable by anything that shows HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW, _BASELINE, _BAR = 36, 14, 10  # pixels: words above, the bar below, at whatever width the page has
_COLOUR, _EMPTY = "#2b6cb0", "#8884"
_LETTERS = 46  # that fit beside each other on a phone


@dataclass(frozen=True)
class Bar:
    """A row: `part` of `whole` is filled, `said` stands at its end."""

    name: str
    part: float
    whole: float
    said: str


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A figure of horizontal bars, one below the other; nothing for no rows."""
    if not rows:
        return ""
    drawn = "".join(_bar(row, place * _ROW) for place, row in enumerate(rows))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg width="100%" height="{len(rows) * _ROW}" role="img" aria-label="{escape(title)}">{drawn}</svg></figure>'
    )


def _bar(row: Bar, top: int) -> str:
    filled = min(max(row.part / row.whole, 0.0), 1.0) if row.whole else 0.0
    room = _LETTERS - len(row.said)
    name = row.name if len(row.name) <= room else f"{row.name[: room - 1]}…"
    return (
        f"<g><title>{escape(row.name)}: {escape(row.said)}</title>"
        f"{_text('0', top, name, 'start')}{_text('100%', top, row.said, 'end')}"
        f"{_strip(top, 1.0, _EMPTY)}{_strip(top, filled, _COLOUR)}</g>"
    )


def _text(x: str, top: int, text: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{top + _BASELINE}" text-anchor="{anchor}" font-size="13" fill="currentColor">'
        f"{escape(text)}</text>"
    )


def _strip(top: int, part: float, colour: str) -> str:
    y = top + _BASELINE + 5
    return f'<rect x="0" y="{y}" width="{part:.2%}" height="{_BAR}" fill="{colour}"/>'
