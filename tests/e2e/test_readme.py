"""What the README shows is run as it stands there."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.portal import ROOT, Portal, Scripter, digits_zip

PLACE = "http://127.0.0.1:8000"


def block(language: str, having: str) -> str:
    """The one code block of that language with that text in it."""
    blocks = re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    found = [text for text in blocks if having in text]
    assert len(found) == 1, f"{len(found)} blocks have {having!r}"
    return str(found[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "leaves.zip").write_bytes(digits_zip(200))
    return tmp_path


def bundle_in(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "leaves-for-pi.zip") as packed:
        assert packed.testzip() is None
        return [Path(name).name for name in packed.namelist()]


def test_the_python_of_the_readme(portal: Portal, ada: Scripter, folder: Path) -> None:
    code = block("python", "httpx").replace(PLACE, portal.address)
    assert len(code.strip().splitlines()) <= 12
    script = f"TOKEN = {ada.token!r}\n{code}"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, timeout=240)
    assert {"run.py", "model.tflite", "manifest.sig"} <= set(bundle_in(folder))


def test_the_curl_of_the_readme(portal: Portal, ada: Scripter, folder: Path) -> None:
    code = block("sh", "curl -s").replace(PLACE, portal.address)
    script = f"set -eu\nTOKEN={ada.token}\n{code}"
    subprocess.run(["bash", "-c", script], cwd=folder, check=True, timeout=240)
    assert {"run.py", "model.tflite", "manifest.sig"} <= set(bundle_in(folder))
