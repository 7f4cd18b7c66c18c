"""What every template keeps to: it compiles, obeys the content security policy, leaves no words untranslated."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import engines

TEMPLATES = Path(__file__).parents[2] / "templates"
ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
TAG = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
COMMENT = re.compile(r"{% comment %}.*?{% endcomment %}", re.DOTALL)
MARKS = re.compile(r"{% block (?:at_\w+|narrow) %}.*?{% endblock %}")
TRANSLATED = re.compile(r"{% blocktrans(?:late)?\b.*?{% endblocktrans(?:late)? %}", re.DOTALL)
SPOKEN = {"alt", "title", "placeholder", "aria-label"}
NAMES = {"Gristmill", "F1", "R²"}
RUN = {"code", "script", "style"}


class Reader(HTMLParser):
    """Collects what a policy or a translator would object to."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.words: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside.append(tag)
        if tag == "style" or (
            tag == "script" and not given.get("src") and given.get("type") != "application/json"
        ):
            self.forbidden.append(f"<{tag}>")
        for name, value in attrs:
            text = (value or "").strip()
            if name == "style" or name.startswith(("on", "hx-on")) or text.startswith(("javascript:", "js:")):
                self.forbidden.append(f"{name}={text}")
            if name in SPOKEN and self._wordy(text):
                self.words.append(text)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        text = " ".join(data.replace("·", " ").split())
        if not RUN & set(self._inside) and text not in NAMES and self._wordy(text):
            self.words.append(text)

    @staticmethod
    def _wordy(text: str) -> bool:
        return bool(re.search(r"[^\W\d_]{2,}", text))


def read(name: str) -> Reader:
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    for pattern in (COMMENT, MARKS, TRANSLATED, TAG):
        source = pattern.sub("·", source)
    reader = Reader()
    reader.feed(source)
    return reader


@pytest.mark.parametrize("name", ALL)
def test_a_template_compiles(name: str) -> None:
    engines["django"].get_template(name)


@pytest.mark.parametrize("name", ALL)
def test_nothing_inline_that_the_policy_forbids(name: str) -> None:
    assert read(name).forbidden == []


@pytest.mark.parametrize("name", ALL)
def test_every_word_is_translated(name: str) -> None:
    assert read(name).words == []


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_marked_safe(name: str) -> None:
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    assert "|safe" not in source
    assert "autoescape off" not in source


def test_the_reader_sees_what_it_looks_for() -> None:
    reader = Reader()
    reader.feed(
        '<p style="x" onclick="y" title="Hello">plain words</p><script>1</script><a href="javascript:1">'
    )
    assert len(reader.forbidden) == 4
    assert reader.words == ["Hello", "plain words"]
