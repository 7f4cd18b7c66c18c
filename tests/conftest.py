"""The suite's surroundings: a home folder of its own, a real Redis, and a cast of members."""

import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings

hypothesis.settings.register_profile("suite", deadline=None)  # nothing is judged by the time it takes
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def redis_server() -> Iterator[None]:
    """A Redis on the test home's socket, as the portal's own supervisor would start it."""
    from portal.core.embedded_redis import command, wait_until_up

    socket = Path(settings.REDIS_SOCKET)
    argv = command(socket=socket, data=Path(settings.HOME) / "redis")
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        wait_until_up(socket, timeout_s=10)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def make_member(db: None) -> Callable[..., object]:
    from django.utils import timezone

    from portal.members.models import Member

    def make(name: str, *, steward: bool = False) -> Member:
        return Member.objects.create_user(
            username=name,
            password="correct horse battery",
            is_staff=steward,
            is_superuser=steward,
            approved_at=timezone.now(),
        )

    return make


@pytest.fixture
def alice(make_member: Callable[..., object]) -> object:
    """An owner of things."""
    return make_member("alice")


@pytest.fixture
def bob(make_member: Callable[..., object]) -> object:
    """Another member."""
    return make_member("bob")


@pytest.fixture
def cora(make_member: Callable[..., object]) -> object:
    """A steward."""
    return make_member("cora", steward=True)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> str:
    """A target that nothing is built for yet, as a board is until a run of the tools is recorded for it."""
    from hardware.targets.profiles import Status
    from hardware.targets.registry import TARGETS

    name = "ice40-hx8k"
    monkeypatch.setitem(TARGETS, name, dataclasses.replace(TARGETS[name], status=Status.PLANNED))
    return name


@pytest.fixture
def client_for() -> Callable[..., object]:
    """A browser's client, signed in as that member."""
    from django.test import Client

    def make(member: object) -> Client:
        client = Client()
        client.force_login(member, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def api_for() -> Callable[..., object]:
    """An API client that carries a real token of that member."""
    from rest_framework.test import APIClient

    from portal.members.models import ApiToken

    def make(member: object) -> APIClient:
        name = f"test {ApiToken.objects.filter(user=member).count() + 1}"
        _row, token = ApiToken.objects.create(user=member, name=name)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    return make
