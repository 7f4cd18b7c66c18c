"""What lies ready on a node, and how a build that may only read it uses it."""

from pathlib import Path

import pytest

from hardware.fpga.prepare import BITSTREAMS, SIMULATIONS, lend, main


def made(folder: Path, name: str, text: str) -> Path:
    """An entry of a cache."""
    entry = folder / name
    entry.mkdir(parents=True)
    (entry / "report.json").write_text(text)
    return entry


def test_what_is_prepared_appears_in_a_cache_beside_what_was_built_there(tmp_path: Path) -> None:
    shelf, cache = tmp_path / "shelf", tmp_path / "cache"
    for kind in (BITSTREAMS, SIMULATIONS):
        made(shelf / kind, "a", "prepared")
        made(shelf / kind, ".making-b", "half of one")
    made(cache / BITSTREAMS, "c", "built")
    lend(shelf, cache)
    lend(shelf, cache)
    for kind in (BITSTREAMS, SIMULATIONS):
        assert (cache / kind / "a" / "report.json").read_text() == "prepared"
        assert not (cache / kind / ".making-b").exists()
    assert (cache / BITSTREAMS / "c" / "report.json").read_text() == "built"


def test_what_was_built_stays_and_what_is_no_longer_prepared_goes(tmp_path: Path) -> None:
    shelf, cache = tmp_path / "shelf", tmp_path / "cache"
    entry = made(shelf / BITSTREAMS, "a", "prepared")
    made(shelf / BITSTREAMS, "b", "prepared")
    made(cache / BITSTREAMS, "b", "built")
    lend(shelf, cache)
    (entry / "report.json").unlink()
    entry.rmdir()
    lend(shelf, cache)
    assert [path.name for path in (cache / BITSTREAMS).iterdir()] == ["b"], "no link that leads nowhere"
    assert (cache / BITSTREAMS / "b" / "report.json").read_text() == "built"


def test_a_node_that_has_prepared_nothing_lends_nothing(tmp_path: Path) -> None:
    lend(tmp_path / "nowhere", tmp_path / "cache")
    assert list((tmp_path / "cache" / BITSTREAMS).iterdir()) == []


def test_a_board_that_nobody_knows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "toaster"])
    assert "there is no board toaster" in capsys.readouterr().err
