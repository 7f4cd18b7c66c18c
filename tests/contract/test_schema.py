"""The published schema and its page: for everyone, complete, and about uploads and websockets too."""

from typing import Any

from django.test import Client

ROWS = {
    "/me": "get", "/datasets": "get post", "/datasets/{dataset_id}": "get delete",
    "/datasets/{dataset_id}/versions": "post", "/datasets/{dataset_id}/versions/{number}": "get",
    "/uploads": "post", "/uploads/{id}": "head patch delete get", "/recipes": "get", "/targets": "get",
    "/jobs": "get post", "/jobs/{job_id}": "get", "/jobs/{job_id}/cancel": "post", "/jobs/{job_id}/stop": "post",
    "/jobs/{job_id}/metrics": "get", "/jobs/{job_id}/logs": "get", "/jobs/{job_id}/events": "get", "/models": "get",
    "/models/{id}": "get", "/bundles": "get post", "/bundles/{id}": "get", "/bundles/{id}/download": "get",
    "/signing-key": "get", "/signing-key/verify.py": "get",
}  # fmt: skip
Document = dict[str, Any]


def test_it_is_openapi_3_1_and_holds_every_row(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    for path, methods in ROWS.items():
        assert set(methods.split()) <= set(document["paths"][f"/api/v1{path}"]), path


def test_it_is_json_whatever_is_accepted() -> None:
    for accept in ("*/*", "application/json", "text/html", "application/yaml"):
        answer = Client().get("/api/v1/schema/", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


def test_every_call_says_how_it_fails(document: Document) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert {"401", "429", "default"} <= set(operation["responses"]), (method, path)
            assert operation["security"], (method, path)
    assert {"token", "session"} <= set(document["components"]["securitySchemes"])


def test_uploads_and_websockets_are_described(document: Document) -> None:
    assert "tus" in document["paths"]["/api/v1/uploads"]["post"]["description"]
    assert "/ws/jobs/{id}" in document["info"]["description"]


def test_the_page_needs_no_sign_in_and_nothing_inline() -> None:
    answer = Client().get("/api/v1/docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<style" not in page
    assert "<script>" not in page
    script = Client().get("/api/v1/docs?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "/api/v1/schema" in script.content.decode()
