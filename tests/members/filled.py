"""What a browser would send back of a page's form."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.values[self._select] = given.get("value", "")
        elif tag == "input" and name and (kind != "checkbox" or "checked" in given):
            self.values[name] = given.get("value", "on" if kind == "checkbox" else "")


def filled(page: str) -> dict[str, str]:
    """The fields of all forms of the page by name, with what they show."""
    reader = _Reader()
    reader.feed(page)
    return reader.values
