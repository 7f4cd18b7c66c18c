"""Accounts from the command line."""

import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from portal.members import services
from portal.members.models import Member


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())


def test_a_member_made_here_may_sign_in_at_once(db: None) -> None:
    run("member", "create", "dora", "--password", "short")
    dora = Member.objects.get()
    assert (dora.is_active, dora.is_staff) == (True, False)
    assert dora.approved_at is not None
    assert dora.check_password("short")
    with pytest.raises(CommandError, match="already"):
        run("member", "create", "DORA", "--password", "other")
    with pytest.raises(CommandError):
        run("member", "create", "not a name", "--password", "other")


def test_a_steward_made_here_gets_into_the_admin(db: None) -> None:
    run("member", "create", "cora", "--password", "millstone", "--steward")
    assert Member.objects.get().is_staff


def test_without_a_password_a_link_is_printed_that_sets_one(db: None, no_terminal: None) -> None:
    link = run("member", "create", "dora").splitlines()[-1]
    assert link.startswith("http")
    client = Client()
    form = client.get("/" + link.split("/", 3)[3]).url
    answer = client.post(form, {"password1": "millstones turn slowly", "password2": "millstones turn slowly"})
    assert answer.status_code == 302
    assert Member.objects.get().check_password("millstones turn slowly")


def test_a_token_is_one_line_and_new_each_time(alice: Member) -> None:
    lines = [run("token", name) for name in ("alice", "alice", "ALICE")]
    assert len(set(lines)) == 3
    for line in lines:
        assert line.endswith("\n")
        assert line.count("\n") == 1
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {line.strip()}")
        assert client.get("/api/v1/me").json()["username"] == "alice"
    names = sorted(alice.auth_token_set.values_list("name", flat=True))
    assert names == ["command line", "command line 2", "command line 3"]


def test_no_token_for_nobody_or_for_who_is_not_in(db: None) -> None:
    with pytest.raises(CommandError, match="no member"):
        run("token", "nobody")
    services.sign_up(member=Member(username="dora"))
    with pytest.raises(CommandError, match="may not sign in"):
        run("token", "dora")
    run("member", "approve", "dora")
    assert run("token", "dora").startswith("gm_")
    with pytest.raises(CommandError, match="does not wait"):
        run("member", "approve", "dora")


def test_an_invitation_from_the_command_line_works(client: Client, db: None) -> None:
    link = run("invite", "--note", "Dora").strip()
    client.get("/" + link.split("/", 3)[3])
    assert "invitation_sha256" in client.session


def test_an_unknown_verb_says_what_there_is() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "member", "destroy", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "create" in done.stderr
