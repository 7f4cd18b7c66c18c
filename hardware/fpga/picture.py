"""Bars as inline SVG: plain shapes without scripts, readable by anything that shows HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _ROW, _NAME, _SAID = 640, 22, 180, 150
_COLOUR, _EMPTY = "#2b6cb0", "#8884"
_LONGEST = 26  # letters that fit beside a bar


@dataclass(frozen=True)
class Bar:
    """A row: `part` of `whole` is filled, `said` stands behind it."""

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
        f'<svg viewBox="0 0 {_WIDTH} {len(rows) * _ROW}" role="img" aria-label="{escape(title)}">{drawn}</svg></figure>'
    )


def _bar(row: Bar, top: int) -> str:
    room = _WIDTH - _NAME - _SAID
    filled = room * min(max(row.part / row.whole, 0.0), 1.0) if row.whole else 0.0
    name = row.name if len(row.name) <= _LONGEST else f"{row.name[: _LONGEST - 1]}…"
    name_at, said_at = _NAME - 6, _WIDTH - _SAID + 6
    return (
        f"<g><title>{escape(row.name)}: {escape(row.said)}</title>"
        f"{_text(name_at, top, name, 'end')}"
        f'<rect x="{_NAME}" y="{top + 4}" width="{room}" height="{_ROW - 8}" fill="{_EMPTY}"/>'
        f'<rect x="{_NAME}" y="{top + 4}" width="{filled:.1f}" height="{_ROW - 8}" fill="{_COLOUR}"/>'
        f"{_text(said_at, top, row.said, 'start')}</g>"
    )


def _text(x: float, top: int, text: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{top + 15}" text-anchor="{anchor}" font-size="11" fill="currentColor">'
        f"{escape(text)}</text>"
    )
