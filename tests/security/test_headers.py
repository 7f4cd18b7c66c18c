"""What stands in the head of every answer, whoever gives it: pages, errors, the API, tus, downloads, static files."""

from collections.abc import Callable

import pytest
import requests
from django.conf import settings
from django.test import Client
from playwright.sync_api import sync_playwright

from portal.core.shield import ALWAYS, Shielded
from portal.members.models import Member
from tests.datasets.server import Server

EVERYWHERE = [
    ("GET", "/"), ("GET", "/nothing"), ("GET", "/account/login/"), ("POST", "/account/login/"), ("GET", "/datasets"),
    ("GET", "/admin/"), ("GET", "/static/src/mark.svg"), ("GET", "/static/nothing.js"), ("PROPFIND", "/"),
    ("GET", "/api/v1/me"), ("GET", "/api/v1/nothing"), ("GET", "/api/v1/schema"), ("GET", "/api/v1/docs"),
    ("OPTIONS", "/api/v1/uploads"), ("POST", "/api/v1/uploads"), ("GET", "/healthz"), ("GET", "/readyz"),
    ("GET", "/metrics"), ("GET", "/%00"), ("GET", "/api/v1/jobs/%00"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_every_answer_carries_the_heads(server: Server, method: str, path: str) -> None:
    answer = requests.request(method, server.url + path, timeout=20, allow_redirects=False)
    missing = set(ALWAYS) - {name.lower() for name in answer.headers}
    assert not missing
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "object-src 'none'" in answer.headers["Content-Security-Policy"] or (
        "default-src 'none'" in answer.headers["Content-Security-Policy"]
    )


def test_no_page_allows_inline_scripts() -> None:
    for path in ("/", "/account/login/", "/nothing"):
        policy = Client().get(path).headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path


def test_the_admin_allows_what_its_scripts_need_and_no_more(
    client_for: Callable[..., Client], cora: Member
) -> None:
    policy = client_for(cora).get("/admin/").headers["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["script-src"] == "'self' 'unsafe-eval'"
    assert parts["style-src"] == "'self' 'unsafe-inline'"
    assert {
        "default-src": "'self'",
        "object-src": "'none'",
        "frame-ancestors": "'none'",
    }.items() <= parts.items()


def test_an_inner_applications_own_head_stands() -> None:
    from asgiref.sync import async_to_sync

    seen = []

    async def inner(_scope: object, _receive: object, send: Callable[..., object]) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"Referrer-Policy", b"no-referrer")]}
        )  # type: ignore[misc]

    async def send(message: dict[str, list[tuple[bytes, bytes]]]) -> None:
        seen.extend(message["headers"])

    shielded = Shielded(inner, more={"strict-transport-security": "max-age=1"})  # type: ignore[arg-type]
    async_to_sync(shielded)({"type": "http"}, None, send)  # type: ignore[arg-type]
    heads = [name.lower() for name, _value in seen]
    assert heads.count(b"referrer-policy") == 1
    assert (b"strict-transport-security", b"max-age=1") in seen


def test_cookies_are_for_our_own_pages(db: None, alice: Member) -> None:
    client = Client()
    client.post("/account/login/", {"login": "alice", "password": "correct horse battery"})
    session, csrf = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert session["httponly"]
    assert session["samesite"] == csrf["samesite"] == "Lax"
    assert settings.SESSION_COOKIE_SECURE is settings.CSRF_COOKIE_SECURE is settings.HTTPS


@pytest.mark.browser
def test_the_admin_works_under_its_policy(server: Server) -> None:
    """Alpine opens the steward's menu, and the browser has nothing to complain of."""
    made = server.python(
        "import django; django.setup()\n"
        "from django.test import Client\nfrom portal.members.services import create_member\n"
        "cora = create_member(name='cora', steward=True)\nclient = Client()\n"
        "client.force_login(cora, backend='allauth.account.auth_backends.AuthenticationBackend')\n"
        "print(client.cookies['sessionid'].value)"
    )
    session = made.decode().split()[-1]
    complaints: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if "Policy" in message.text else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for path in ("/admin/", "/admin/members/member/", "/admin/members/team/add/", "/admin/queue/job/"):
            page.goto(server.url + path)
            page.wait_for_load_state("networkidle")
        assert page.evaluate("typeof window.Alpine") == "object"
        browser.close()
    assert complaints == []
