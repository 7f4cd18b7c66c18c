"""Whatever is sent, the answer is a documented one and never the portal's own error."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.core import problems
from portal.core.api import MemberThrottle
from tests.contract.conftest import World
from tests.contract.schema import Schema

CALLS = ("/api/v1/datasets", "/api/v1/jobs", "/api/v1/bundles")
BODIES = {
    "nothing": b"",
    "half": b"{",
    "null": b"null",
    "array": b"[]",
    "text": b'"x"',
    "nan": b'{"name": NaN}',
    "not UTF-8": b'{"name": "\xff"}',
    "half a surrogate pair": b'{"name": "\\ud800", "task": "image-classification", "recipe": "\\ud800"}',
    "a key of half a pair": b'{"\\ud800": 1, "options": {"\\ud800": 1}}',
    "null characters": b'{"name": "\\u0000", "recipe": "image-classifier", "dataset": "\\u0000", "model": "\\u0000"}',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep options": b'{"options":' + b'{"a":' * 400 + b"1" + b"}" * 401,
    "a long number": b'{"name": ' + b"9" * 5000 + b"}",
}
VALUES: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x" * 100_000,
    [],
    {},
    [None],
    {"a": 1},
    "9" * 400,
    [[]],
]
FIELDS = {
    "/api/v1/datasets": ("name", "task", "label_column", "description", "visibility", "team"),
    "/api/v1/jobs": (
        "kind", "recipe", "dataset", "version", "params", "resources", "targets", "fit", "warm_start", "name",
    ),
    "/api/v1/bundles": ("model", "target", "options"),
}  # fmt: skip
NUMBERS = ("x", "1.5", "%00", "9" * 19, "9" * 5000, "%D9%A1")


@pytest.fixture(autouse=True)
def unthrottled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemberThrottle, "THROTTLE_RATES", {"write": None, "read": None})


def send(api: APIClient, path: str, body: bytes, kind: str = "application/json") -> Any:
    return api.generic("POST", path, body, content_type=kind)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", CALLS)
def test_bodies(path: str, name: str, api: APIClient, world: World, schema: Schema) -> None:
    answer = send(api, path, BODIES[name])
    assert answer.status_code == 400, answer.content
    schema.check(answer)


@pytest.mark.parametrize("path", CALLS)
def test_a_body_too_large_is_413(path: str, api: APIClient, schema: Schema) -> None:
    answer = send(api, path, b'{"name": "' + b"x" * 6_000_000 + b'"}')
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    schema.check(answer)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "garbage", "a/b; charset=nope"]
)
@pytest.mark.parametrize("path", CALLS)
def test_other_media_types_are_415(path: str, kind: str, api: APIClient, schema: Schema) -> None:
    answer = send(api, path, b'{"name": "x"}', kind)
    assert answer.status_code == 415
    schema.check(answer)


def odd_values(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    right: dict[str, dict[str, Any]] = {
        "/api/v1/datasets": {"name": "n", "task": "table-classification"},
        "/api/v1/jobs": {"recipe": "image-classifier", "dataset": world.dataset.pk},
        "/api/v1/bundles": {"model": world.model.pk, "target": "raspberry-pi-4"},
    }
    for path, fields in FIELDS.items():
        yield from ((path, {**right[path], field: value}) for field in fields for value in VALUES)
    for field in ("epochs", "learning_rate", "early_stop", "seed", "image_size", "colour"):
        yield from (("/api/v1/jobs", {**right["/api/v1/jobs"], "params": {field: value}}) for value in VALUES)
    for field in ("accelerator", "count", "memory_mb", "max_minutes"):
        yield from (
            ("/api/v1/jobs", {**right["/api/v1/jobs"], "resources": {field: value}}) for value in VALUES
        )


def test_values_of_every_kind_in_every_field(api: APIClient, world: World, schema: Schema) -> None:
    for path, body in odd_values(world):
        answer = send(api, path, json.dumps(body).encode())
        assert answer.status_code < 500, (path, body)
        schema.check(answer)


@pytest.mark.parametrize("odd", ["x", "%00", "%FF", "x" * 5000, "9" * 5000, "-1", "'", "%F0%9F%98%80"])
def test_ids_of_every_kind_lead_nowhere(odd: str, api: APIClient, world: World) -> None:
    dataset, job = world.dataset.pk, world.job.pk
    for path in (
        f"datasets/{odd}", f"datasets/{dataset}/versions/{odd}", f"jobs/{odd}", f"jobs/{odd}/metrics",
        f"jobs/{odd}/logs", f"jobs/{odd}/cancel", f"jobs/{job}/{odd}", f"models/{odd}", f"models/{odd}/keras",
        f"bundles/{odd}/download", f"nodes/{odd}",
    ):  # fmt: skip
        answer = api.post(f"/api/v1/{path}") if path.endswith("cancel") else api.get(f"/api/v1/{path}")
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"] == problems.TYPE


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["metrics?after=", "metrics?limit=", "logs?offset="])
def test_numbers_that_are_none(name: str, number: str, api: APIClient, world: World, schema: Schema) -> None:
    answer = api.get(f"/api/v1/jobs/{world.job.pk}/{name}{number}")
    assert answer.status_code == 400
    schema.check(answer)


def part(disposition: str, data: bytes = b"x") -> bytes:
    return f"--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"--B", 400),
        (part('name="file"') + b"--B--", 400),
        (part('name="file"; filename=""') + b"--B--", 400),
        (part('name="label_column"', b"x" * 6_000_000) + b"--B--", 413),
        (b"".join(part(f'name="f{n}"') for n in range(1500)) + b"--B--", 400),
        (b"".join(part(f'name="f{n}"; filename="x"') for n in range(150)) + b"--B--", 400),
        (part('name="file"; filename="../../a\\b"') + b"--B--", 202),
    ],
    ids=["nothing", "half", "no file", "no name", "long field", "many fields", "many files", "path"],
)
def test_forms(body: bytes, status: int, api: APIClient, world: World, schema: Schema) -> None:
    path = f"/api/v1/datasets/{world.dataset.pk}/versions"
    answer = send(api, path, body, "multipart/form-data; boundary=B")
    assert answer.status_code == status, answer.content
    schema.check(answer)
