"""Checks an answer against the published schema: documented status, documented media type, documented body."""

import json
import re
from typing import Any

from jsonschema import Draft202012Validator
from rest_framework.response import Response


class Schema:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._patterns = {
            path: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in document["paths"]
        }

    def template(self, path: str) -> str:
        """The documented path that this one is of; those without parameters go first."""
        plain = path.rstrip("/")
        found = [known for known, pattern in self._patterns.items() if pattern.fullmatch(plain)]
        assert found, f"{path} is not documented"
        return min(found, key=lambda known: known.count("{"))

    def check(self, answer: Response) -> None:
        """AssertionError with what differs."""
        request = answer.wsgi_request  # type: ignore[attr-defined]
        operation = self.document["paths"][self.template(request.path)][request.method.lower()]
        responses = operation["responses"]
        documented = responses.get(str(answer.status_code), responses["default"])
        content = documented.get("content")
        if not content:
            return
        media = answer.headers["Content-Type"].split(";")[0]
        assert media in content, f"{media} is none of {list(content)}"
        if media.endswith("json"):
            self._check_body(json.loads(answer.content), content[media]["schema"])

    def _check_body(self, body: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self.document["components"]}
        differing = [
            f"{list(error.absolute_path)}: {error.message}"
            for error in Draft202012Validator(whole).iter_errors(body)
        ]
        assert not differing, differing
