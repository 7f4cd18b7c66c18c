"""The front-end build: from packages, only when something changed, small, no addresses in the lock."""

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from portal.kit import frontend

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built() -> Path:
    frontend.build()
    return ROOT / "static" / "build"


def test_a_second_build_has_nothing_to_do(built: Path) -> None:
    assert frontend.build() is False


def test_a_lost_file_is_built_again(built: Path) -> None:
    (built / "theme.js").unlink()
    assert frontend.build() is True
    assert (built / "theme.js").exists()


def test_what_is_built_no_more_goes(built: Path) -> None:
    (built / "old.js").write_text("old")
    assert frontend.build(force=True) is True
    assert not (built / "old.js").exists()
    assert (built / ".stamp").exists()


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "a.js"
    source.write_text("1")
    before = frontend.fingerprint([source], base=tmp_path)
    source.write_text("2")
    assert frontend.fingerprint([source], base=tmp_path) != before


def test_a_renamed_source_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    before = frontend.fingerprint(tmp_path.iterdir(), base=tmp_path)
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert frontend.fingerprint(tmp_path.iterdir(), base=tmp_path) != before


def test_a_broken_source_is_reported_and_replaces_nothing(built: Path, tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "static" / "src", tmp_path / "static" / "src")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "static" / "build").mkdir()
    (tmp_path / "static" / "build" / "app.js").write_text("old")
    (tmp_path / "static" / "src" / "js" / "app.js").write_text("import {")
    with pytest.raises(frontend.BuildError, match=r"app\.js"):
        frontend.build(tmp_path)
    assert (tmp_path / "static" / "build" / "app.js").read_text() == "old"


def test_scripts_stay_below_200_kilobytes(built: Path) -> None:
    """All but LiteRT.js, which only the page loads that tries a model out."""
    sizes = {file.name: file.stat().st_size for file in built.glob("*.js")}
    tried = {name: sizes.pop(name) for name in ("litert.js", "try.js", "page.js")}
    assert sum(sizes.values()) < 200_000
    assert tried["try.js"] + tried["page.js"] < 120_000
    assert (built / "litert.wasm.bin").stat().st_size < 3_000_000


def test_litert_is_that_of_the_lock(built: Path) -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    version = lock["packages"]["node_modules/@litertjs/core"]["version"]
    assert (built / "litert.version").read_text() == f"{version}\n"
    assert gzip.decompress((built / "litert.wasm.bin").read_bytes()).startswith(b"\0asm")


def test_the_styles_fetch_nothing(built: Path) -> None:
    css = (built / "app.css").read_text(encoding="utf-8")
    assert "url(" not in css
    assert "@import" not in css


def test_every_icon_that_is_asked_for_exists() -> None:
    sprite = (ROOT / "static" / "src" / "sprite.svg").read_text(encoding="utf-8")
    known = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    sources = [*(ROOT / "templates").rglob("*.html"), ROOT / "portal" / "core" / "templatetags" / "ui.py"]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    asked = set(re.findall(r'{% icon "([\w-]+)"', text)) | set(re.findall(r'icon_name="([\w-]+)"', text))
    assert asked <= known


def test_every_string_that_scripts_ask_for_is_in_a_template() -> None:
    source = ROOT / "static" / "src"
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (source / "js").rglob("*.js")}
    alone = asked_in(scripts.pop("page.js"))  # of a browser bundle, which is no template of Django's
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.html"))
    asked = asked_in("\n".join(scripts.values()))
    assert asked
    assert asked <= keys_of(pages)
    tried = keys_of((ROOT / "templates" / "bundles" / "_try.html").read_text(encoding="utf-8"))
    assert alone | tried == keys_of((source / "page.html").read_text(encoding="utf-8"))


def asked_in(scripts: str) -> set[str]:
    return set(re.findall(r'\bt\("([\w-]+)"', scripts))


def keys_of(page: str) -> set[str]:
    return set(re.findall(r'data-key="([\w-]+)"', page))


def test_a_bundles_page_has_the_parts_of_the_portals() -> None:
    """Both are filled by the same script."""
    portals = (ROOT / "templates" / "bundles" / "_try.html").read_text(encoding="utf-8")
    bundles = (ROOT / "static" / "src" / "page.html").read_text(encoding="utf-8")
    parts = [re.findall(r'data-part="([\w-]+)"', text) for text in (portals, bundles)]
    assert parts[0] == parts[1] != []


def test_the_lock_names_no_host_and_exact_versions() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert not [name for name, entry in packages.items() if not entry.get("integrity")]
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    exact = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert {name: packages[f"node_modules/{name}"]["version"] for name in exact} == exact
