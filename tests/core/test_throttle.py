"""Throttling: so many writes a minute for each member, reads apart, and a problem that says when to come back."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from portal.core import live
from portal.core.api import WriteThrottle
from portal.members.models import Member

ApiFor = Callable[[Member], APIClient]


@pytest.fixture(autouse=True)
def three_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    live.connection().flushdb()
    monkeypatch.setattr(WriteThrottle, "rate", "3/hour", raising=False)


def test_one_member_is_held_back_and_nobody_else(alice: Member, bob: Member, api_for: ApiFor) -> None:
    hasty, patient = api_for(alice), api_for(bob)
    answers = [hasty.post("/api/v1/datasets", {}).status_code for _again in range(4)]
    assert answers == [400, 400, 400, 429]
    refused = hasty.post("/api/v1/datasets", {})
    assert refused.json()["code"] == "throttled"
    assert 0 < int(refused.headers["Retry-After"]) <= 3601
    assert hasty.get("/api/v1/me").status_code == 200
    assert patient.post("/api/v1/datasets", {}).status_code == 400
