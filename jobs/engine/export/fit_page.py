"""The part of `report.html` that says how the recipe was made smaller so that its boards hold the model."""

from html import escape
from typing import Any

from hardware.targets.registry import TARGETS

KIB, MIB = 1024, 1024**2
MANY = 10 * MIB  # from here on people count in MiB


def made_to_fit(report: dict[str, Any]) -> str:
    """HTML, of the training's report; every text in it is escaped. Empty when nothing was made smaller."""
    fit = report.get("fit") or {}
    if not fit.get("chosen"):
        return ""
    limits = " ".join(f"{lacks}." for lacks in fit.get("limits", ()))
    under = f"<p>As it was asked for, by the estimate and what that may be off by: {escape(limits)}</p>"
    return (
        f"<h2>Made to fit</h2><p>{escape(fit['sentence'])}</p>{under if limits else ''}"
        f"<p><small>Estimated before the training, as it was trained:</small></p>{_boards(fit['targets'])}"
    )


def _boards(rows: list[dict[str, Any]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("board", "memory", "model"))
    body = "".join(
        f'<tr><th scope="row">{escape(_title(row["target"]))}</th>'
        f"<td>{_size(row['ram_bytes'])} of {_size(row['ram_free_bytes'])}</td>"
        f"<td>{_size(row['model_bytes'])} of {_size(row['flash_bytes'])}</td></tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _title(name: str) -> str:
    return TARGETS[name].title if name in TARGETS else name


def _size(count: int) -> str:
    return f"{count / MIB:,.0f} MiB" if count >= MANY else f"{count / KIB:,.0f} KiB"
