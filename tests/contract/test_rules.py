"""What holds for every call: credentials, slashes, Accept, methods, and errors as problems."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.members.models import Member
from tests.contract.conftest import World
from tests.contract.schema import Schema

PROBLEM = {"title", "status", "code", "detail", "errors"}
UPLOADS = "/api/v1/uploads"  # tus is beside Django: tests/datasets/test_tus.py
STEWARDS = "/api/v1/nodes/{id}"  # where only they write, whatever the method
Document = dict[str, Any]


def calls(document: Document, *methods: str) -> list[tuple[str, str]]:
    """(method, path) of every call that Django answers."""
    found = [(method, path) for path, item in document["paths"].items() for method in item]
    return [(method, path) for method, path in found if not path.startswith(UPLOADS) and method in methods]


def is_problem(answer: Any, status: int) -> bool:
    body = answer.json()
    named = answer.headers["Content-Type"] == "application/problem+json" and set(body) == PROBLEM
    return named and answer.status_code == body["status"] == status and bool(body["code"] and body["detail"])


def test_no_call_answers_without_credentials(document: Document, world: World) -> None:
    for method, path in calls(document, "get", "post", "patch", "delete"):
        for header in (
            {},
            {"Authorization": "Token none"},
            {"Authorization": "Bearer x"},
            {"Authorization": "Token"},
        ):
            answer = Client().generic(method.upper(), world.fill(path), headers=header)
            assert is_problem(answer, 401), (method, path, header)
            assert answer.headers["WWW-Authenticate"] == "Token"


def test_every_read_answers_with_a_slash_and_whatever_is_accepted(
    document: Document, world: World, api: APIClient, schema: Schema
) -> None:
    for _method, path in calls(document, "get"):
        for ending, accept in (("", "*/*"), ("/", "text/turtle"), ("/", "text/html"), ("", "")):
            answer = api.get(world.fill(path) + ending, headers={"Accept": accept})
            assert answer.status_code == (404 if path.startswith("/api/v1/nodes/") else 200), path
            schema.check(answer)


def test_others_find_nothing_of_it(
    document: Document, world: World, bob: Member, api_for: Callable[[Member], APIClient]
) -> None:
    other = api_for(bob)
    for method, path in calls(document, "get", "post", "delete"):
        if "{" in path:
            status = 403 if method != "get" and path.startswith(STEWARDS) else 404
            assert is_problem(other.generic(method.upper(), world.fill(path)), status), (method, path)


def test_a_method_that_is_not_there_is_a_problem(document: Document, world: World, api: APIClient) -> None:
    paths = {path for _method, path in calls(document, "get", "post")}
    for path in paths:
        if path.startswith(STEWARDS) and not path.endswith("/samples"):
            continue
        answer = api.generic("PUT", world.fill(path), "{}", content_type="application/json")
        assert is_problem(answer, 405), path
        assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/jobs"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_where_nothing_is_there_is_a_problem(method: str, path: str) -> None:
    assert is_problem(Client(enforce_csrf_checks=True).generic(method, path), 404)


def test_pages_stay_pages(db: None) -> None:
    answer = Client().get("/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_session_writes_with_the_pages_token_alone(world: World, alice: Member) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    secret = "a" * 32
    browser.cookies["csrftoken"] = secret
    path = f"/api/v1/datasets/{world.dataset.pk}"
    assert browser.get(path).status_code == 200
    assert is_problem(browser.delete(path), 403)
    assert (
        browser.delete(path, headers={"X-CSRFToken": secret}).status_code == 409
    )  # its bundle is being built


def test_errors_of_fields_name_them(api: APIClient) -> None:
    answer = api.post("/api/v1/datasets", {"task": "dance"})
    assert is_problem(answer, 400)
    assert {error["field"] for error in answer.json()["errors"]} == {"name", "task"}
    assert all(set(error) == {"field", "detail"} for error in answer.json()["errors"])
