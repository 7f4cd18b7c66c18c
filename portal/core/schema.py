"""What the API's schema says of every call: how it answers what it can't do."""

from collections.abc import Iterator
from typing import Any

from portal.core import problems

PROBLEM = {"$ref": "#/components/schemas/Problem"}
EVERYWHERE = {
    "401": "No credentials, or bad ones.",
    "429": "Too many calls in this minute; `Retry-After` says when to go on.",
    "default": "What is wrong, in words.",
}
Document = dict[str, Any]


def add_problems(result: Document, **_kwargs: Any) -> Document:
    """drf-spectacular's hook: every call may answer with a problem, and problems have a media type of their own."""
    for operation in _operations(result):
        responses = operation["responses"]
        for status, description in EVERYWHERE.items():
            responses.setdefault(status, problem(description))
        for answer in responses.values():
            _name_type(answer)
    return result


def problem(description: str) -> Document:
    """A response that is a problem, for the schema."""
    return {"description": description, "content": {problems.TYPE: {"schema": PROBLEM}}}


def _operations(result: Document) -> Iterator[Document]:
    for path in result["paths"].values():
        yield from (operation for operation in path.values() if "responses" in operation)


def _name_type(answer: Document) -> None:
    content = answer.get("content", {})
    if content.get("application/json", {}).get("schema") == PROBLEM:
        content[problems.TYPE] = content.pop("application/json")
