"""Uploads in pieces in the API's schema: tus is served beside Django, where drf-spectacular does not see it."""

from typing import Any

from jobs.datasets.tus import EXTENSIONS, PREFIX
from jobs.datasets.tus_requests import BODY_TYPE, CHECKSUMS, VERSION
from portal.core.schema import Document, problem

SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
STATE = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "enum": ["receiving", "complete"]},
        "version": {
            "type": ["string", "null"],
            "format": "uri",
            "description": "The version's address, once complete.",
        },
    },
    "required": ["state", "version"],
}
ABOUT = (
    f"Resumable uploads by [tus {VERSION}](https://tus.io/protocols/resumable-upload), with the extensions "
    f"{EXTENSIONS}. Any tus client will do: give it this address, the token as `Authorization` header, and the "
    "metadata `filename`, `dataset` (its id) and, for tables, `label_column`."
)


def add_uploads(result: Document, **_kwargs: Any) -> Document:
    """drf-spectacular's hook: enters the calls of `jobs.datasets.tus`."""
    result["components"]["schemas"]["Upload"] = STATE
    result["paths"][PREFIX] = {"post": _create()}
    one: dict[str, Document] = {
        "get": _call("uploads_retrieve", "What became of the upload.", {"200": _state()}, resumable=False),
        "head": _call("uploads_offset", "How many bytes are here.", {"200": _standing("Where it stands.")}),
        "patch": _write(),
        "delete": _call("uploads_delete", "Give the upload up.", {"204": {"description": "Given up."}}),
    }
    for call in one.values():
        call["parameters"].insert(
            0, {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        )
    result["paths"][f"{PREFIX}/{{id}}"] = one
    return result


def _call(
    name: str, summary: str, responses: Document, *, headers: Document | None = None, resumable: bool = True
) -> Document:
    asked = ({"Tus-Resumable": {"type": "string", "enum": [VERSION]}} if resumable else {}) | (headers or {})
    optional = {"Upload-Checksum"}
    return {
        "operationId": name,
        "description": summary,
        "tags": ["uploads"],
        "security": SECURITY,
        "parameters": [
            {"name": header, "in": "header", "required": header not in optional, "schema": schema}
            for header, schema in asked.items()
        ],
        "responses": responses,
    }


def _create() -> Document:
    created = _standing("Begun; `Location` is its address.")
    created["headers"]["Location"] = {"schema": {"type": "string", "format": "uri"}}
    headers = {
        "Upload-Length": {"type": "integer", "minimum": 0},
        "Upload-Metadata": {
            "type": "string",
            "description": "`filename <base64>,dataset <base64 of its id>[,label_column <base64>]`",
        },
    }
    answers = {"201": created, "404": problem("No such dataset."), "413": problem("It would not fit.")}
    return _call("uploads_create", ABOUT, answers, headers=headers)


def _write() -> Document:
    headers = {
        "Upload-Offset": {"type": "integer", "minimum": 0},
        "Upload-Checksum": {"type": "string", "description": f"One of {', '.join(CHECKSUMS)}, and base64."},
    }
    answers = {
        "204": _standing("Taken. After the last byte, the version is there."),
        "409": problem("The upload stands at another byte."),
        "460": problem("The checksum does not fit."),
    }
    call = _call("uploads_append", "Send the bytes from an offset on.", answers, headers=headers)
    body = {"schema": {"type": "string", "format": "binary"}}
    return call | {"requestBody": {"required": True, "content": {BODY_TYPE: body}}}


def _standing(description: str) -> Document:
    headers: Document = {
        "Upload-Offset": {"schema": {"type": "integer"}},
        "Upload-Expires": {"schema": {"type": "string"}, "description": "Absent once complete."},
    }
    return {"description": description, "headers": headers}


def _state() -> Document:
    schema = {"$ref": "#/components/schemas/Upload"}
    return {"description": "Whether it is complete.", "content": {"application/json": {"schema": schema}}}
