"""Redis away, or hanging: what it carries are hints, so nobody fails and nobody waits long."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.cache import caches
from django.test import Client

from portal.core import live
from portal.core.cache import ForgivingCache
from portal.members.models import Member


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where Redis should be, nobody answers the door."""
    absent = redis.Redis.from_url(f"unix://{tmp_path}/absent")
    monkeypatch.setattr(live, "connection", lambda: absent)
    monkeypatch.setattr(live, "_patience", live._Patience())


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Redis takes calls, and answers none."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "silent"))
        server.listen(16)
        hanging = redis.Redis.from_url(f"unix://{tmp_path}/silent", socket_timeout=0.3)
        monkeypatch.setattr(live, "connection", lambda: hanging)
        monkeypatch.setattr(live, "_patience", live._Patience())
        yield
        hanging.close()


def test_a_process_has_a_cache_of_its_own_while_redis_is_away(tmp_path: Path) -> None:
    cache = ForgivingCache(f"unix://{tmp_path}/absent", {})
    assert cache.get("a", "none") == "none"
    cache.set("a", 1)
    assert cache.incr("a") == cache.get("a") == 2
    assert cache.add("lock", 1)
    assert not cache.add("lock", 1)
    assert cache.delete("lock")
    with pytest.raises(ValueError, match="lock"):
        cache.incr("lock")


def test_one_signs_in_while_redis_is_away(
    alice: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches["default"], "_servers", [f"unix://{tmp_path}/absent"])
    caches["default"].__dict__.pop("_cache", None)
    try:
        answer = Client().post("/account/login/", {"login": "alice", "password": "correct horse battery"})
    finally:
        caches["default"].__dict__.pop("_cache", None)
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/")


@pytest.mark.django_db(transaction=True)
def test_what_can_not_be_told_is_no_error(nobody: None) -> None:
    live.ring("bell")
    with pytest.raises(live.RedisError):
        live.wait_for("bell", timeout_s=0.1)


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_hangs_is_waited_for_once(silent: None) -> None:
    began = time.monotonic()
    for _ring in range(20):
        live.ring("bell")
    assert 0.2 < time.monotonic() - began < 2
