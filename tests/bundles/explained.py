"""`explanations` of a report as the engine writes them, with one text wherever a member's may stand."""

import base64
import io
from typing import Any

from PIL import Image


def webp(shade: int = 90) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (16, 8), (shade, 60, 30)).save(stream, "WEBP", lossless=True)
    return base64.b64encode(stream.getvalue()).decode()


def explained(text: str = "cat") -> list[dict[str, Any]]:
    """One part of every kind."""
    answer = {"name": text, "predicted": text, "confidence": 0.9}
    return [
        {
            "kind": "confident-mistakes",
            "classes": [{"label": text, "mistakes": 3, "samples": 9, "worst": [answer]}],
            "classes_left_out": 2,
        },
        {
            "kind": "attribution-maps",
            "method": "integrated gradients",
            "deletion": {"score": 0.81, "random": 0.37, "pictures": 2, "convincing": True},
            "examples": [
                {**answer, "label": text, "right": False, "picture": webp(90)},
                {**answer, "label": text, "right": True, "picture": webp(200)},
            ],
            "examples_left_out": 4,
        },
        {
            "kind": "permutation-importance",
            "measure": "accuracy",
            "undisturbed": 0.95,
            "rows": 40,
            "repeats": 10,
            "columns": [
                {"name": text, "loss": 0.3, "spread": 0.02},
                {"name": "noise", "loss": -0.001, "spread": 0.01},
            ],
            "columns_left_out": 0,
        },
        {
            "kind": "surrogate-rules",
            "measure": "agreement",
            "fidelity": 0.93,
            "without_rules": 0.5,
            "quality": 0.9,
            "rows": 40,
            "rules": [
                {
                    "conditions": [
                        {"column": text, "above": 1.25, "at_most": 7.5, "missing": True},
                        {"column": text, "is": text},
                    ],
                    "rows": 0.6,
                    "answer": text,
                    "agrees": 0.97,
                },
                {
                    "conditions": [
                        {"column": text, "is_not": [text, "red"]},
                        {"column": text, "missing": False},
                    ],
                    "rows": 0.0,
                    "answer": text,
                    "agrees": None,
                },
            ],
        },
        {"kind": "left-out", "of": "surrogate-rules", "reason": text},
    ]
