"""`report.html`: one file that needs nothing else, runs no script and escapes every name a member gave."""

import base64
import io
import math
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.engine.data import Arrays
from jobs.engine.export import charts, dataless
from jobs.engine.export.fit_page import made_to_fit
from jobs.engine.export.proof_page import beside_the_float_model, board_file, proof
from jobs.engine.export.receipt import section as receipt_section
from jobs.engine.export.variants import Exported, Exports
from jobs.engine.export.why_page import why

_MATRIX_CLASSES = 40
_MISTAKES = 24
_POINTS = 500
_NO_METRICS = {"epoch", "step", "seconds", "learning_rate"}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
body{color:#1a202c;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}small,figcaption{color:#4a5568}
table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.25rem .6rem;border:1px solid #cbd5e0;text-align:right}
th{font-weight:600}th[scope=row],td.name{text-align:left;max-width:16rem;overflow-wrap:anywhere}
.wide{overflow-x:auto}figure{margin:.5rem 0}svg{width:100%;height:auto;max-width:40rem}
.drop{color:#a82a20;border-left:4px solid;padding-left:.6rem}
.mistakes{display:flex;flex-wrap:wrap;gap:1rem;padding:0}
.mistakes li{list-style:none;width:9rem;overflow-wrap:anywhere}
.mistakes li.pair{width:12rem}.mistakes img.pair{width:12rem}
.mistakes img{width:6rem;height:6rem;object-fit:contain;image-rendering:pixelated;background:#edf2f7}
@media(prefers-color-scheme:dark){body{color:#e2e8f0;background:#171923}th,td{border-color:#4a5568}
small,figcaption{color:#a0aec0}.drop{color:#f59a8e}}
"""


def page(manifest: dict[str, Any], report: dict[str, Any], exports: Exports, arrays: Arrays) -> str:
    """The whole document."""
    name = escape(manifest["name"] or "A model")
    shipped = exports.made[exports.default]
    sections = [
        f"<h1>{name}</h1><p>{_intro(manifest, arrays)}</p>",
        _variants(manifest, arrays),
        proof(manifest),
        made_to_fit(report),
        *_measured(shipped, report, arrays),
        receipt_section(manifest),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="'
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{name}</title><style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _measured(shipped: Exported, report: dict[str, Any], arrays: Arrays) -> list[str]:
    """What the samples show; nothing for a model that came without any."""
    if not dataless.is_measured(arrays):
        return []
    return [
        *(_classes(shipped.metrics, arrays) if arrays.labels else [_values(shipped.outputs, arrays)]),
        _history(report.get("history")),
        why(report.get("explanations")),
        _mistakes(shipped.outputs, arrays),
    ]


def _intro(manifest: dict[str, Any], arrays: Arrays) -> str:
    counts = arrays.counts()
    made = f" on {_moment(manifest['created_at'])}" if manifest["created_at"] else ""
    start = f"{escape(manifest['task'])} for {escape(manifest['target']['title'])}, made by Gristmill{made}. "
    if not dataless.is_measured(arrays):
        return f"{start}{escape(dataless.NOTE)} The self-test's inputs were {escape(dataless.DRAWN)}."
    if manifest.get("provenance", {}).get("origin") == "brought":
        return f"{start}The model was brought by a member, and measured here on {counts['test']} samples."
    return (
        f"{start}Trained on {counts['train']} samples, tuned on {counts['validation']}, and measured here on "
        f"{counts['test']} others."
    )


def _moment(told: str) -> str:
    """A manifest's time, to the minute; what is none is shown as it is."""
    try:
        return f"{datetime.fromisoformat(told).astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
    except ValueError:
        return escape(told)


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML already; the first of each row names it."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _variants(manifest: dict[str, Any], arrays: Arrays) -> str:
    titles = {"accuracy": "accuracy", "macro_f1": "macro F1", "mae": "MAE", "rmse": "RMSE", "r2": "R²"}
    board = board_file(manifest)
    found = {
        **({"on the board": board} if board else {}),
        **manifest["variants"],
        **manifest.get("formats", {}),
    }
    keys = [key for key in titles if all(key in variant for variant in found.values())]
    rows = [
        [escape(f"{variant['file']} ({name})")]
        + [f"{variant[key]:.4f}" for key in keys]
        + [f"{variant['model_bytes'] / 1024:,.0f} KiB" if "model_bytes" in variant else "–"]
        for name, variant in found.items()
    ]
    notes = [manifest["note"], *(f"{name}: {reason}" for name, reason in manifest["left_out"].items())]
    told = "".join(f"<p>{escape(note)}</p>" for note in dict.fromkeys(notes) if note)
    head = ["model file", *(titles[key] for key in keys), "size"]
    ran = ", run on the test samples" if dataless.is_measured(arrays) else ""
    beside = beside_the_float_model(manifest)
    return f"<h2>The exported files{ran}</h2>{_table(head, rows)}{beside}{told}"


def _classes(metrics: dict[str, Any], arrays: Arrays) -> list[str]:
    keys = ("precision", "recall", "f1")
    rows = [
        [escape(row["label"]), str(row["support"]), *(f"{row[key]:.3f}" for key in keys)]
        for row in metrics["per_class"]
    ]
    per_class = _table(["class", "samples", "precision", "recall", "F1"], rows)
    return [
        _confusion(np.array(metrics["confusion_matrix"]), arrays.labels),
        f"<h2>Class by class</h2>{per_class}",
    ]


def _confusion(confusion: NDArray[np.int64], labels: tuple[str, ...]) -> str:
    """Rows are the truth; the darker, the larger the part of its row."""
    if len(labels) > _MATRIX_CLASSES:
        return f"<h2>Confusions</h2>{_largest_confusions(confusion, labels)}"
    parts = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(
            _shaded(count, part, at == row)
            for at, (count, part) in enumerate(zip(counts, shares, strict=True))
        )
        + "</tr>"
        for row, (label, counts, shares) in enumerate(
            zip(labels, confusion.tolist(), parts.tolist(), strict=True)
        )
    )
    return (
        "<h2>Confusion matrix</h2><p><small>A row for each true class, a column for each answer.</small></p>"
        f'<div class="wide"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _shaded(count: int, part: float, right: bool) -> str:
    colour = "47,133,90" if right else "197,48,48"
    return f'<td style="background:rgba({colour},{0.85 * part:.2f})">{count or ""}</td>'


def _largest_confusions(confusion: NDArray[np.int64], labels: tuple[str, ...]) -> str:
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MATRIX_CLASSES]
    pairs = [(int(at) // len(labels), int(at) % len(labels)) for at in order if wrong.flat[at]]
    rows = [[escape(labels[true]), escape(labels[said]), str(wrong[true, said])] for true, said in pairs]
    return _table(["true class", "answered", "times"], rows)


def _values(outputs: NDArray[np.float32], arrays: Arrays) -> str:
    chosen = np.linspace(0, len(outputs) - 1, min(_POINTS, len(outputs))).astype(int)
    points = [(float(arrays.test.y[at]), float(outputs[at, 0])) for at in chosen]
    return (
        f"<h2>Answers against the truth</h2>{charts.scatter('Answer (up) by truth', points, across='truth')}"
    )


def _history(history: Any) -> str:
    """Curves of what the training noted for its epochs: losses in one chart, the rest in another."""
    series: dict[str, list[float]] = {}
    for epoch in history if isinstance(history, list) else []:
        values = epoch.get("values", epoch) if isinstance(epoch, dict) else {}
        for name, value in values.items():
            if isinstance(value, int | float) and name not in _NO_METRICS:
                series.setdefault(str(name), []).append(float(value))
    losses = {name: values for name, values in series.items() if "loss" in name}
    others = {name: values for name, values in series.items() if "loss" not in name}
    drawn = charts.lines("Loss", losses, across="epoch") + charts.lines("Metrics", others, across="epoch")
    return f"<h2>How it learned</h2>{drawn}" if drawn else ""


def _mistakes(outputs: NDArray[np.float32], arrays: Arrays) -> str:
    """The answers that were most surely wrong, or furthest off."""
    y, names = arrays.test.y, arrays.names("test")
    if not arrays.labels:
        off = np.abs(outputs[:, 0] - y)
        rows = [
            [escape(names[at]), f"{y[at]:.6g}", f"{outputs[at, 0]:.6g}", f"{off[at]:.3g}"]
            for at in np.argsort(-off, kind="stable")[:_MISTAKES]
        ]
        return f"<h2>Furthest off</h2>{_table(['sample', 'truth', 'answer', 'off by'], rows)}"
    said = outputs.argmax(axis=1)
    sure = np.where(said != y, outputs.max(axis=1), -math.inf)
    worst = [at for at in np.argsort(-sure, kind="stable")[:_MISTAKES] if sure[at] >= 0]
    if not worst:
        return "<h2>Mistakes</h2><p>None on the test samples.</p>"
    items = "".join(
        f"<li>{_thumbnail(arrays, at)}<div>{escape(names[at])}</div>"
        f"<small>said {escape(arrays.labels[said[at]])} ({sure[at]:.0%}), is {escape(arrays.labels[y[at]])}"
        "</small></li>"
        for at in worst
    )
    return f'<h2>The most confident mistakes</h2><ul class="mistakes">{items}</ul>'


def _thumbnail(arrays: Arrays, at: int) -> str:
    if arrays.kind != "images":
        return ""
    pixels = np.asarray(arrays.test.x[at])
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'
