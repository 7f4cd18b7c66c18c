"""The matrix: every route of the URL table × method × person, by session and by token, as `table.py` says.

A route that the table has no row for fails, and so does one that is gone.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client, override_settings

from portal.core.api import MemberThrottle
from tests.access.conftest import INSIDERS, OUTSIDERS, PEOPLE, SECRET_WORD, World, made_world
from tests.access.routes import routes
from tests.access.table import BESIDE, LOGIN, OPEN_TO_ALL, Row, everything

pytestmark = pytest.mark.django_db
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
READS = ("GET", "HEAD")
KNOW_IT = ("owner", "team", "steward")  # of Alice's team, whose name and data hold the word
WINDOW = '{"starts_at": "2100-01-01T10:00:00Z", "ends_at": "2100-01-01T11:00:00Z", "reason": "dust"}'
FORM = "application/x-www-form-urlencoded"
TABLE: dict[str, list[Row]] = {}
for row in everything():
    TABLE.setdefault(row.route, []).append(row)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for all routes: what a call does to it is rolled back."""
    freely = {"write": None, "read": None}
    with (
        django_db_blocker.unblock(),
        transaction.atomic(),
        override_settings(BAD_TOKENS="1000000/minute", JOIN_TRIES="1000000/minute"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(MemberThrottle, "THROTTLE_RATES", freely)
        yield made_world()
        transaction.set_rollback(True)


def test_every_route_has_a_row() -> None:
    missing = [route for route in routes() if route not in TABLE and route not in BESIDE]
    assert not missing, (
        f"Say in tests/access/table.py who may call {missing}: a row for each method that it has (and for each "
        "visibility of a dataset). If its address holds an id, tests/access/conftest.py says whose."
    )
    gone = set(TABLE) - set(routes())
    assert not gone, f"These are no routes any more: take their rows out of tests/access/table.py: {gone}"


def is_api(route: str) -> bool:
    return route.startswith(("api/", "^api"))


def body(world: World, row: Row) -> dict[str, Any]:
    """What is sent: what the call wants, so that it succeeds for who may."""
    if row.method in READS or row.method not in METHODS:
        return {}
    if row.route.endswith("/versions"):
        form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\nx\r\n--B--'
        return {"data": form, "content_type": "multipart/form-data; boundary=B"}
    if row.route == "api/v1/models":
        return {
            "data": brought(world.ids.get(row.thing, "")),
            "content_type": "multipart/form-data; boundary=B",
        }
    asked = {
        "api/v1/datasets": '{"name": "Trees", "task": "image-classification"}',
        "api/v1/jobs": f'{{"recipe": "image-classifier", "dataset": "{world.ids.get(row.thing)}"}}',
        "api/v1/bundles": f'{{"model": "{world.ids.get(row.thing)}", "target": "raspberry-pi-5"}}',
        "api/v1/nodes/<str:pk>": '{"state": "draining"}',
        "api/v1/nodes/<str:pk>/windows": WINDOW,
    }
    if is_api(row.route):
        return {"data": asked.get(row.route, "{}"), "content_type": "application/json"}
    return {"data": "", "content_type": FORM}


def brought(dataset: str) -> bytes:
    """The form of a model that is brought, to be measured by that dataset."""
    fields = {"labels": '["oak", "ash"]', "dataset": dataset}
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
        for name, value in fields.items()
    ]
    parts.append('--B\r\nContent-Disposition: form-data; name="file"; filename="x.keras"\r\n\r\nx')
    return "\r\n".join([*parts, "--B--"]).encode()


def outcome(client: Client, world: World, row: Row) -> tuple[str, str]:
    """The status, or `login`, and all that was said; what the call did is undone."""
    cache.clear()
    with transaction.atomic():
        answer = client.generic(row.method, world.path(row.route, row.thing), **body(world, row))
        body_of = answer.streaming_content if getattr(answer, "streaming", False) else [answer.content]
        said = f"{answer.headers}" + b"".join(body_of).decode(errors="replace")
        transaction.set_rollback(True)
    to = answer.headers.get("Location", "")
    is_login = to.startswith(("/account/login/", "/admin/login/"))
    return LOGIN if is_login else str(answer.status_code), said


def clients(world: World, row: Row, person: str) -> dict[str, Client]:
    """The ways in which that person knocks: pages know no tokens."""
    known = {"session": world.browser(person)}
    if is_api(row.route) and person != "anonymous":
        known["token"] = world.script(person)
    return known


def unlisted(route: str) -> list[Row]:
    """Rows for the methods that no row names."""
    named = {row.method for row in TABLE[route]}
    first = TABLE[route][0]
    outside = "405" if not is_api(route) or route in OPEN_TO_ALL else "401"
    found = []
    for method in METHODS:
        if method in named or (method == "HEAD" and "GET" in named):
            continue
        insiders = ["405"] * len(INSIDERS)
        found.append(Row(route, first.thing, method, *insiders, outside))
    return found


@pytest.mark.parametrize("route", [*TABLE], ids=lambda route: route or "home")
def test_who_may(route: str, world: World) -> None:
    wrong = []
    for row in TABLE[route]:
        wrong += [line for person in PEOPLE for line in compared(world, row, person)]
        if row.method == "GET" and not route.startswith("admin/"):
            head = Row(**{**vars(row), "method": "HEAD"})
            wrong += [line for person in PEOPLE for line in compared(world, head, person)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", [*TABLE], ids=lambda route: route or "home")
def test_no_other_method_does_anything(route: str, world: World) -> None:
    found = [(row, person) for row in unlisted(route) for person in PEOPLE]
    wrong = [line for row, person in found for line in compared(world, row, person)]
    assert not wrong, "\n".join(wrong)


def compared(world: World, row: Row, person: str) -> Iterator[str]:
    for how, client in clients(world, row, person).items():
        (got, said), wanted = outcome(client, world, row), row.expected(person)
        allowed = {wanted}
        if not is_api(row.route) and wanted == "405":
            allowed |= {LOGIN, "302"} if person in OUTSIDERS or row.route.startswith("admin/") else set()
        if row.route == "admin/login/" and row.method == "HEAD":
            allowed |= {"200"}
        if SECRET_WORD in said and person not in KNOW_IT:
            yield f"{row.method} {row.route} [{row.thing}] tells {person} what is private to others"
        if got not in allowed:
            yield f"{row.method} {row.route} [{row.thing}] by {person}'s {how}: {got}, not {wanted}"


PAGES_POSTED = sorted({row.route for row in everything() if row.method == "POST" and not is_api(row.route)})


@pytest.mark.parametrize("route", PAGES_POSTED)
def test_no_page_takes_a_post_without_its_token(route: str, world: World) -> None:
    row = next(row for row in TABLE[route] if row.method == "POST")
    for person in ("owner", "steward"):
        assert outcome(world.browser(person, csrf=False), world, row)[0] == "403", person


def test_no_session_writes_to_the_api_without_the_pages_token(world: World) -> None:
    writes = [row for row in everything() if is_api(row.route) and row.method in {"POST", "PATCH", "DELETE"}]
    for row in (row for row in writes if row.owner not in {"404", "405"} or row.route.startswith("api/v1")):
        assert outcome(world.browser("steward", csrf=False), world, row)[0] == "403", row


def test_pages_know_no_tokens(world: World) -> None:
    for row in everything():
        if row.method == "GET" and row.outside == LOGIN and not row.route.startswith("admin/"):
            assert outcome(world.script("owner"), world, row)[0] == LOGIN, row
