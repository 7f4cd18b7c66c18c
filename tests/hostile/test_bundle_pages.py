"""A bundle's report.html and README.md, made of hostile names and opened from the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from hardware.targets.registry import TARGETS
from jobs.datasets.formats.index import ImageIndex
from jobs.engine.data import Arrays, Split
from jobs.engine.export.graph import Graph
from jobs.engine.export.readme import readme
from jobs.engine.export.report_page import page as report_page
from jobs.engine.export.variants import Exported, Exports
from tests.bundles.explained import explained
from tests.hostile.payloads import PAYLOADS
from tests.hostile.test_stored_xss import CHROMIUM, SHOWN, Visitor, browser, plain  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
LABELS = PAYLOADS
SAMPLES = len(LABELS)
TARGET = next(iter(TARGETS.values()))


def arrays() -> Arrays:
    numbers = np.arange(SAMPLES)
    split = Split(np.zeros((SAMPLES, 8, 8, 3), np.uint8), numbers)
    index: ImageIndex = {
        "format": 1,
        "kind": "images",
        "container": "zip",
        "labels": list(LABELS),
        "samples": [
            {"name": text, "label": n, "split": "test", "sha256": "", "width": 8, "height": 8}
            for n, text in enumerate(LABELS)
        ],
    }
    every = {"train": numbers, "validation": numbers, "test": numbers}
    return Arrays("images", tuple(LABELS), split, split, split, every, index)  # type: ignore[arg-type]


def manifest(text: str) -> dict[str, Any]:
    variant = {
        "file": text,
        "accuracy": 0.5,
        "macro_f1": 0.5,
        "model_bytes": 1000,
        "arena_bytes": 1000,
        "ram_bytes": 1000,
        "operators": [text],
        "operators_supported": True,
    }
    return {
        "name": text,
        "created_at": text,
        "task": text,
        "labels": [text],
        "target": {"title": text},
        "variants": {"fp32": variant, text: variant},
        "left_out": {"int8": text},
        "note": text,
        "input": {
            "kind": "table",
            "reader": {"delimiter": ",", "decimal": ".", "encoding": "utf-8"},
            "columns": [{"name": text}],
        },
    }


def exports(text: str) -> Exports:
    """Answers that are all wrong, so that every sample's name is among the mistakes."""
    outputs = np.roll(np.eye(SAMPLES, dtype=np.float32), 1, axis=1)
    rows = [{"label": label, "precision": 0.1, "recall": 0.1, "f1": 0.1, "support": 1} for label in LABELS]
    metrics = {"per_class": rows, "confusion_matrix": np.eye(SAMPLES, dtype=int).tolist()}
    graph = Graph.__new__(Graph)  # neither page looks into it
    return Exports({"fp32": Exported("fp32", b"", graph, outputs, metrics)}, {"int8": text}, "fp32")


def history(text: str) -> dict[str, Any]:
    epochs = [{"values": {text: 0.5 / n, f"{text}_loss": 1 / n}} for n in (1, 2, 3)]
    return {"history": epochs, "explanations": explained(text)}


def test_report_html_runs_nothing_and_loads_nothing(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    text = " ".join(PAYLOADS)
    made = report_page(manifest(text), history(text), exports(text), arrays())
    file = tmp_path / "report.html"
    file.write_text(made, encoding="utf-8")
    with Visitor(browser.new_context(), "file:") as visitor:
        page = visitor.page
        page.goto(file.as_uri())
        page.wait_for_load_state("load")
        visitor.check()
        policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
        assert policy is not None
        assert policy.startswith("default-src 'none'")
        assert "script-src" not in policy
        shown = plain(page.evaluate(SHOWN))
        assert all(plain(payload) in shown for payload in PAYLOADS)
        assert page.locator(".mistakes img").count() > 0
        assert page.locator(".mistakes img.pair").count() == 2
        assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")


def test_the_policy_holds_even_where_escaping_would_not(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    """With a script written into it, the same page still runs nothing."""
    made = report_page(manifest("x"), history("x"), exports("x"), arrays())
    broken = made.replace(
        "<body>", "<body><script>pwned=1</script><img src=//evil.example/x onerror=pwned=1>"
    )
    (tmp_path / "report.html").write_text(broken, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None
    page.close()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_readme_holds_no_markup_of_theirs(payload: str) -> None:
    made = readme(manifest("x") | {"name": payload, "note": payload}, TARGET, arrays())
    title, *_rest = made.splitlines()
    assert not set(title.removeprefix("# ")) & set("<>`*_[]&|\\!")
    assert "<script" not in made
    assert "](" not in made
    assert all(letter.isprintable() or letter == "\n" for letter in made)
