"""What the checker says is believed only as far as it fits."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.datasets import findings
from jobs.datasets.findings import Progress, Ready, Rejected, UnbelievableError

SPLITS = {"train": 1, "validation": 1, "test": 1}
READY: dict[str, Any] = {
    "type": "result", "state": "ready", "files": [], "report": {"samples": 3, "classes": {"a": 3}, "splits": SPLITS},
}  # fmt: skip


def test_the_three_things_it_says() -> None:
    assert findings.line('{"type": "progress", "progress": 0.5}') == Progress(type="progress", progress=0.5)
    rejected = findings.line(
        '{"type":"result","state":"rejected","code":"empty_file","reason":"It is empty."}'
    )
    assert isinstance(rejected, Rejected)
    ready = findings.line(json.dumps(READY))
    assert isinstance(ready, Ready)
    assert findings.stored_report(ready.report) == {
        "samples": 3, "classes": {"a": 3}, "splits": SPLITS, "skipped": [], "skipped_total": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", '{"type": "else"}', '{"type": "progress", "progress": 2}',
        '{"type": "progress", "progress": NaN}', '{"type": "progress", "progress": "1"}',
        '{"type":"result","state":"rejected","code":"<b>","reason":"x"}',
        '{"type":"result","state":"rejected","code":"x","reason":""}',
        json.dumps({**READY, "report": {**READY["report"], "samples": -1}}),
        json.dumps({**READY, "report": {**READY["report"], "classes": {str(n): 1 for n in range(1001)}}}),
        json.dumps({**READY, "report": {**READY["report"], "pictures": {"side": 0, "coloured": True}}}),
        json.dumps({**READY, "files": ["x"] * 100}),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_is_not_believed(text: str) -> None:
    with pytest.raises(UnbelievableError):
        findings.line(text)


@pytest.mark.parametrize(
    "name", ["../x", "strip-0.webp/..", "passwd", "table.npz\n", "/etc/passwd", "strip-x.webp", ""]
)
def test_only_known_names_are_taken(tmp_path: Path, name: str) -> None:
    ready = Ready.model_validate({**READY, "files": [name]})
    with pytest.raises(UnbelievableError):
        findings.left_files(ready, tmp_path)


def test_links_folders_and_large_files_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "index.json.gz").symlink_to("/etc/passwd")
    (tmp_path / "table.npz").mkdir()
    (tmp_path / "preview.json").write_bytes(b"0" * (4 * 1024**2 + 1))
    (tmp_path / "strip-3.webp").write_bytes(b"x")
    for name in ("index.json.gz", "table.npz", "preview.json", "strip-4.webp"):
        with pytest.raises(UnbelievableError):
            findings.left_files(Ready.model_validate({**READY, "files": [name]}), tmp_path)
    taken = findings.left_files(Ready.model_validate({**READY, "files": ["strip-3.webp"]}), tmp_path)
    assert taken == {"strip-3.webp": tmp_path / "strip-3.webp"}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"rows": 5}', b"\xff", b"[" * 100_000, b'{"strips": {"../x": 1}}']
)
def test_a_preview_that_is_none_is_not_shown(content: bytes) -> None:
    assert findings.preview(content) is None
