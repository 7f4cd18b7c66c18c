"""Settings from the environment are read strictly and complain in words."""

from pathlib import Path

import pytest

from portal.kit import env
from portal.kit.env import EnvError


@pytest.mark.parametrize(
    ("written", "meant"), [("1", True), ("yes", True), (" ON ", True), ("0", False), ("False", False)]
)
def test_booleans(written: str, meant: bool) -> None:
    assert env.boolean("X", not meant, env={"X": written}) is meant


def test_an_unset_or_empty_boolean_is_its_default() -> None:
    assert env.boolean("X", True, env={})
    assert not env.boolean("X", False, env={"X": "  "})


@pytest.mark.parametrize("written", ["ture", "2", "enabled", "-"])
def test_what_is_neither_true_nor_false_is_an_error_in_words(written: str) -> None:
    with pytest.raises(EnvError, match=r"X=.*neither true nor false"):
        env.boolean("X", True, env={"X": written})


def test_whole_numbers() -> None:
    assert env.integer("X", 5, env={}) == 5
    assert env.integer("X", 5, env={"X": " 7 "}) == 7
    with pytest.raises(EnvError, match="not a whole number"):
        env.integer("X", 5, env={"X": "7.5"})
    with pytest.raises(EnvError, match="too small"):
        env.integer("X", 5, minimum=1, env={"X": "0"})


def test_words() -> None:
    assert env.words("X", env={"X": " a, b ,,c"}) == ["a", "b", "c"]
    assert env.words("X", "d,e", env={}) == ["d", "e"]


def test_a_secret_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush\n")
    assert env.secret("KEY", env={"KEY_FILE": str(tmp_path / "key")}) == "hush"
    assert env.secret("KEY", env={"KEY": "loud"}) == "loud"
    assert env.secret("KEY", "none", env={}) == "none"


def test_a_secret_twice_or_in_a_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    with pytest.raises(EnvError, match="Both KEY and KEY_FILE"):
        env.secret("KEY", env={"KEY": "loud", "KEY_FILE": str(tmp_path / "key")})
    with pytest.raises(EnvError, match="can't be read") as caught:
        env.secret("KEY", env={"KEY_FILE": str(tmp_path / "none")})
    assert "hush" not in str(caught.value)
