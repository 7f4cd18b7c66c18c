"""`GET /me`."""

from collections.abc import Callable

from rest_framework.test import APIClient

from portal.ledger import services
from portal.ledger.models import GB, Quota
from portal.members.models import Member, Team


def test_me_says_what_the_contract_says(
    api_for: Callable[..., APIClient], alice: Member, bob: Member
) -> None:
    team = Team.objects.create(name="Bakers")
    team.members.add(alice)
    Quota.objects.create(member=alice, gpu_hours=7)
    services.charge(member=alice, attempt_id="a1", kind="cpu", device_seconds=1800, refunded=False)
    answer = api_for(alice).get("/api/v1/me")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("share").keys() == {"share", "used_fraction", "fair_factor"}
    assert body == {
        "username": "alice",
        "role": "member",
        "teams": ["Bakers"],
        "quota": {
            "storage_bytes": 20 * GB,
            "concurrent_jobs": 4,
            "device_hours": {"cpu": 500.0, "gpu": 7.0, "tpu": 100.0, "fpga": 100.0},
        },
        "usage": {
            "storage_bytes": 0,
            "concurrent_jobs": 0,
            "device_hours": {"cpu": 0.5, "gpu": 0.0, "tpu": 0.0, "fpga": 0.0},
        },
    }


def test_me_with_a_trailing_slash_and_a_strange_accept(
    api_for: Callable[..., APIClient], cora: Member
) -> None:
    answer = api_for(cora).get("/api/v1/me/", HTTP_ACCEPT="text/turtle")
    assert answer.status_code == 200
    assert answer.json()["role"] == "steward"
