"""The API by its own schema: calls made up from it, right and wrong ones, by whoever may ask.

Every answer is below 500 and is as the schema says it: its status, media type, headers and body. Django's calls go to
the real site on the database of `world`, with its ids in the paths every other time; tus, which is not Django's, to a
real web server. What tus asks and a schema cannot say (an offset that fits, a checksum of the body) stands in
`tests/datasets/test_tus.py`.
"""

import base64
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as of_openapi

from jobs.datasets.tus_requests import BODY_TYPE
from portal.core.api import MemberThrottle
from portal.members.models import ApiToken, Member
from tests.contract.conftest import World
from tests.datasets.conftest import server  # noqa: F401 - a fixture
from tests.datasets.server import Server

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_headers_conformance,
    of_openapi.response_schema_conformance,
]
BOUNDED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "12")),
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
UPLOADS = "/api/v1/uploads"
MODES = list(schemathesis.GenerationMode)
MEMBER = {200, 201, 400, 404, 409}
MET = {"anonymous": {401}, "member": MEMBER, "steward": MEMBER}
"""Statuses that must be among the answers, or the calls were not what they are meant to be."""
Headers = dict[str, str]
schemathesis.serializer.alias(BODY_TYPE, "application/octet-stream")


@pytest.fixture(autouse=True)
def unthrottled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemberThrottle, "THROTTLE_RATES", {"write": None, "read": None})


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The site is called in this thread: it leaves the test's connection open, as it does for Django's own client."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def headers_of(alice: Member, cora: Member) -> Callable[[str], Headers]:
    def make(role: str) -> Headers:
        if role == "anonymous":
            return {}
        _row, token = ApiToken.objects.create(user=alice if role == "member" else cora, name="schemathesis")
        return {"Authorization": f"Token {token}"}

    return make


def operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def cases(operation: Any) -> st.SearchStrategy[Any]:
    """Calls that fit the schema and calls that do not."""
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in MODES])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["anonymous", "member", "steward"])
def test_calls_that_django_answers(role: str, world: World, headers_of: Callable[[str], Headers]) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema", get_wsgi_application())
    headers = headers_of(role)
    of_django = [operation for operation in operations(schema) if UPLOADS not in operation.path]
    assert len(of_django) > 25
    met = {status for operation in of_django for status in _try(operation, world, headers)}
    assert met >= MET[role]


def _try(operation: Any, world: World, headers: Headers) -> set[int]:
    """The statuses that the answers had."""
    met = set()
    real = world.fill(operation.path)

    @BOUNDED
    @given(case=cases(operation), known=st.booleans())
    def run(case: Any, known: bool) -> None:
        with transaction.atomic():
            if known:
                case.path_parameters = _parameters(operation.path, real)
            met.add(case.call_and_validate(headers=headers, checks=CHECKS).status_code)
            transaction.set_rollback(True)

    run()
    return met


def _parameters(template: str, real: str) -> dict[str, str]:
    pairs = zip(template.split("/"), real.split("/"), strict=True)
    return {name.strip("{}"): value for name, value in pairs if name.startswith("{")}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["anonymous", "alice"])
def test_calls_that_tus_answers(role: str, server: Server) -> None:  # noqa: F811
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/schema")
    headers = {} if role == "anonymous" else {"Authorization": server.headers()["Authorization"]}
    dataset = base64.b64encode(server.cast["alice"]["dataset"].encode()).decode()
    for operation in operations(schema):
        if UPLOADS in operation.path:
            _try_tus(operation, headers, f"filename eC56aXA=,dataset {dataset}")


def _try_tus(operation: Any, headers: Headers, metadata: str) -> None:
    @BOUNDED
    @given(case=cases(operation), known=st.booleans())
    def run(case: Any, known: bool) -> None:
        if known:
            case.headers["Upload-Metadata"] = metadata
        case.call_and_validate(headers=headers, checks=CHECKS)

    run()
