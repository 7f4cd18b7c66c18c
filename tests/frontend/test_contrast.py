"""Every pair of colours that meets on a page is far enough apart, in light and in dark (WCAG 2.2, AA)."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "static" / "src" / "css" / "tokens.css"
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6,8}), (#[0-9a-f]{6,8})\)")
TEXT, SHAPE = 4.5, 3.0

GROUNDS = ("page", "surface", "raised", "hover", "sunken")
ON_THEIR_GROUND = [
    *(
        (ink, ground, TEXT)
        for ink in ("ink", "ink-2", "ink-3", "bad", "wheat-deep")
        for ground in GROUNDS[:3]
    ),
    ("ink", "sunken", TEXT),
    ("ink", "hover", TEXT),
    ("ink-2", "sunken", TEXT),
    ("ink-2", "quiet-soft", TEXT),
    ("ink-3", "quiet-soft", TEXT),
    ("on-wheat", "wheat", TEXT),
    ("on-wheat", "wheat-hover", TEXT),
    ("on-bad", "bad-fill", TEXT),
    ("good", "good-soft", TEXT),
    ("bad", "bad-soft", TEXT),
    ("info", "info-soft", TEXT),
    ("ink", "bad-soft", TEXT),
    ("ink", "info-soft", TEXT),
    ("wheat-deep", "wheat-soft", TEXT),
    ("ink", "wheat-soft", TEXT),
    ("edge", "page", SHAPE),
    ("edge", "surface", SHAPE),
    *(("focus", ground, SHAPE) for ground in GROUNDS[:3]),
    *((series, "surface", SHAPE) for series in ("series-1", "series-2", "series-3", "series-4")),
]


def colours(theme: int) -> dict[str, tuple[float, ...]]:
    found = {name: both[theme] for name, *both in PAIR.findall(TOKENS.read_text(encoding="utf-8"))}
    return {
        name: tuple(int(text[i : i + 2], 16) for i in range(1, len(text), 2)) for name, text in found.items()
    }


def over(top: tuple[float, ...], below: tuple[float, ...]) -> tuple[float, ...]:
    """The colour seen when `top`, perhaps with an alpha, lies on an opaque one."""
    alpha = top[3] / 255 if len(top) == 4 else 1.0
    return tuple(alpha * a + (1 - alpha) * b for a, b in zip(top[:3], below, strict=False))


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = [c / 3294.6 if c <= 10.31 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_that_meet_can_be_told_apart(theme: int) -> None:
    colour = colours(theme)
    weak = []
    for front, back, wanted in ON_THEIR_GROUND:
        ground = over(colour[back], colour["surface"])
        low, high = sorted((luminance(over(colour[front], ground)), luminance(ground)))
        ratio = (high + 0.05) / (low + 0.05)
        if ratio < wanted:
            weak.append(f"{front} on {back}: {ratio:.2f} < {wanted}")
    assert not weak


def test_black_on_white_is_21_to_1() -> None:
    assert (luminance((255, 255, 255)) + 0.05) / (luminance((0, 0, 0)) + 0.05) == pytest.approx(21)
