"""A portal at work, as who operates it sees it: probes, figures, logs, health checks."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from websockets.sync.client import connect

from tests.e2e.portal import PASSWORD, ROOT, Portal, Scripter
from tests.operations.conftest import METRICS_TOKEN

pytestmark = [pytest.mark.e2e, pytest.mark.long]
BEARER = {"Authorization": f"Bearer {METRICS_TOKEN}"}


def figures(mill: Portal) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = httpx.get(f"{mill.address}/metrics", headers=BEARER)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }


def figure(mill: Portal, name: str, **labels: str) -> float:
    return figures(mill)[f"gristmill_{name}", frozenset(labels.items())]


def eventually(condition: Callable[[], Any], within: float = 30.0) -> bool:
    until = time.monotonic() + within
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)
    return bool(condition())


def lines(mill: Portal, name: str) -> Iterator[dict[str, Any]]:
    """What a process logged as JSON (a program that starts may say something of its own)."""
    for text in (mill.home / "logs" / f"{name}.log").read_text().splitlines():
        if text.startswith("{"):
            yield json.loads(text)


# -- Probes -----------------------------------------------------------------------------------------------------------


def test_probes_answer_by_whatever_name_the_portal_is_called(mill: Portal) -> None:
    for path in ("/healthz", "/readyz"):
        answer = httpx.get(mill.address + path, headers={"Host": "10.9.8.7:1234"}, follow_redirects=False)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert httpx.head(mill.address + path).content == b""
        assert httpx.post(mill.address + path).status_code == 405


def test_readiness_names_every_part(mill: Portal) -> None:
    def found() -> Any:
        return httpx.get(f"{mill.address}/readyz").json()

    assert eventually(lambda: found()["status"] == "ok"), found()
    assert set(found()["checks"]) == {"database", "migrations", "redis", "storage", "scheduler", "nodes"}


def test_probes_are_cheap_and_never_throttled(mill: Portal) -> None:
    with httpx.Client(base_url=mill.address) as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _n: client.get("/readyz").status_code, range(100)))
    assert set(answers) == {200}


def test_health_checks_of_every_role(mill: Portal) -> None:
    for role in ("web", "scheduler", "helper", "node"):
        said = mill.manage("healthy", role, "--port", str(mill.port))
        assert "ready" in said or "moved" in said or "answers" in said


def test_a_role_that_does_not_run_is_not_healthy(tmp_path: Path) -> None:
    silent = Portal(tmp_path / "home")
    for role in ("web", "scheduler", "node"):
        done = subprocess.run(
            [sys.executable, "manage.py", "healthy", role, "--port", str(silent.port)],
            cwd=ROOT, env=silent.env, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stdout.strip().endswith(".") or "answer" in done.stdout
        assert "Traceback" not in done.stderr


# -- Figures ----------------------------------------------------------------------------------------------------------


def test_figures_are_for_the_monitoring_and_for_stewards(mill: Portal, eve: Scripter) -> None:
    address = f"{mill.address}/metrics"
    assert httpx.get(address).status_code == 401
    for wrong in ("", "Bearer", f"Bearer {METRICS_TOKEN}x", f"Token {METRICS_TOKEN}", f"Token {eve.token}"):
        assert httpx.get(address, headers={"Authorization": wrong}).status_code == 401
    mill.member("sted", steward=True)
    for name, status in (("eve", 403), ("sted", 200)):
        assert signed_in(mill, name).get("/metrics").status_code == status


def signed_in(mill: Portal, name: str) -> httpx.Client:
    client = httpx.Client(base_url=mill.address)
    client.get("/account/login/")
    form = {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/account/login/", data=form).status_code == 302
    return client


def test_both_formats_are_what_their_own_parsers_read(mill: Portal) -> None:
    plain = httpx.get(f"{mill.address}/metrics", headers=BEARER)
    assert plain.headers["content-type"].startswith("text/plain")
    names = {family.name for family in parse(plain.text)}
    asked = {"Accept": "application/openmetrics-text; version=1.0.0", **BEARER}
    modern = httpx.get(f"{mill.address}/metrics", headers=asked)
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(modern.text)} & names
    wanted = {
        "queue_jobs",
        "attempts",
        "nodes",
        "job_wait_seconds",
        "storage_bytes",
        "http_requests",
        "swept",
    }
    assert {f"gristmill_{name}" for name in wanted - {"swept"}} <= names
    assert all(re.fullmatch(r"(gristmill|process|python)_[a-z0-9_]+", name) for name in names)


def test_a_job_shows_in_the_figures(mill: Portal, eve: Scripter, data: str) -> None:
    waited = ("gristmill_job_wait_seconds_count", frozenset({("kind", "train")}))
    before = figures(mill)
    done = figure(mill, "attempts_total", reason="done")
    job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": {"epochs": 1}})
    assert eve.ended(job)["status"] == "succeeded"
    assert figure(mill, "attempts_total", reason="done") == done + 1
    assert figures(mill)[waited] == before.get(waited, 0) + 1
    assert figure(mill, "jobs", status="succeeded") >= 1
    assert figure(mill, "database_up") == figure(mill, "broker_up") == figure(mill, "scheduler_leads") == 1
    assert figure(mill, "nodes", state="active") == 1
    assert figure(mill, "storage_blobs") >= 0


def test_requests_are_counted_by_route_and_never_by_id(mill: Portal, eve: Scripter) -> None:
    route = "/api/v1/datasets/<str:dataset_id>"
    for number in range(3):
        assert eve.http.get(f"/datasets/none-{number}").status_code == 404
    assert eve.http.get("/uploads/none-such").status_code == 404
    assert httpx.request("BREW", mill.address).status_code >= 400
    assert figure(mill, "http_requests_total", route=route, method="GET", status="404") >= 3
    assert figure(mill, "http_requests_total", route="/api/v1/uploads/<id>", method="GET", status="404") >= 1
    routes = {dict(labels).get("route", "") for _name, labels in figures(mill)}
    assert not any("none-" in route for route in routes)
    assert not any("BREW" in dict(labels).values() for _name, labels in figures(mill))


def test_open_websockets_are_counted(mill: Portal, eve: Scripter, data: str) -> None:
    job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": {"epochs": 1}})
    before = figure(mill, "websockets_open")
    address = f"ws://127.0.0.1:{mill.port}/ws/jobs/{job['id']}"
    with connect(address, additional_headers={"Authorization": f"Token {eve.token}"}) as socket:
        socket.recv()
        assert figure(mill, "websockets_open") == before + 1
    assert eventually(lambda: figure(mill, "websockets_open") == before)
    eve.ended(job)


# -- Logs -------------------------------------------------------------------------------------------------------------


def test_a_request_leaves_a_line_with_its_id_and_who_asked(mill: Portal, eve: Scripter) -> None:
    member = eve.get("/me")["username"]
    answer = eve.http.get("/jobs", params={"status": "queued"}, headers={"X-Request-ID": "proxy-0815.a_b"})
    assert answer.headers["x-request-id"] == "proxy-0815.a_b"

    def written() -> list[dict[str, Any]]:
        return [line for line in lines(mill, "web") if line.get("request_id") == "proxy-0815.a_b"]

    assert eventually(written)
    line = written()[-1]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/jobs", 200)
    assert line["duration_ms"] > 0
    assert len(line["member"]) == 26
    assert member == "eve"


@pytest.mark.parametrize("hostile", ["short", "a" * 65, "two words", "line\tbreak", "{json}", ""])
def test_an_id_that_is_none_is_replaced(mill: Portal, hostile: str) -> None:
    answer = httpx.get(f"{mill.address}/healthz", headers={"X-Request-ID": hostile})
    assert re.fullmatch("[0-9a-z]{26}", answer.headers["x-request-id"])


def test_a_path_can_not_break_the_line_it_stands_in(mill: Portal) -> None:
    httpx.get(f"{mill.address}/forged%0A{{%22level%22:%22CRITICAL%22}}")
    assert eventually(lambda: any("forged" in line.get("path", "") for line in lines(mill, "web")))
    assert not any(line.get("level") == "CRITICAL" for line in lines(mill, "web"))


def test_what_a_node_writes_while_it_works_names_the_job_and_the_attempt(
    mill: Portal, eve: Scripter, data: str
) -> None:
    job = eve.post("/jobs", {"recipe": "image-classifier", "dataset": data, "params": {"epochs": 1}})
    eve.ended(job)

    def moves() -> list[dict[str, Any]]:
        return [line for line in lines(mill, "node") if line.get("job") == job["id"]]

    assert eventually(lambda: len(moves()) >= 2)
    assert all(len(line["attempt"]) == 26 for line in moves())
    assert any("running → succeeded" in line["message"] for line in moves())
    assert any(line.get("job") == job["id"] for line in lines(mill, "scheduler"))


def test_no_secret_stands_in_any_log(mill: Portal, eve: Scripter) -> None:
    invited = re.search(r"/join/(\S+)", mill.manage("invite"))
    assert invited
    secrets = [eve.token, invited.group(1), METRICS_TOKEN, PASSWORD]
    secrets += [path.read_text() for path in (mill.home / "secrets").glob("django-*")]
    for address in (
        f"/join/{invited.group(1)}",
        f"/join/{invited.group(1)}/nowhere",
        f"/account/password/reset/key/4-{eve.token}/",
        f"/api/v1/jobs?token={eve.token}",
        f"/nowhere/{eve.token}",
        f"/?key={METRICS_TOKEN}",
    ):
        httpx.get(mill.address + address)
    eve.http.get("/jobs/none")
    httpx.get(f"{mill.address}/api/v1/me", headers={"Authorization": f"Token {eve.token}x"})
    httpx.get(f"{mill.address}/metrics", headers=BEARER)
    signed_in(mill, "eve").close()
    with connect(
        f"ws://127.0.0.1:{mill.port}/ws/jobs/none", additional_headers={"Authorization": f"Token {eve.token}"}
    ) as socket:
        socket.close()
    time.sleep(0.5)
    for path in (mill.home / "logs").iterdir():
        said = path.read_text(errors="replace")
        assert [secret[:6] for secret in secrets if secret in said] == [], path.name


def test_every_line_of_a_json_log_is_json_once_the_program_runs(mill: Portal) -> None:
    for name in ("web", "scheduler"):
        for text in (mill.home / "logs" / f"{name}.log").read_text().splitlines():
            assert json.loads(text)["message"]


# -- When something is amiss: a portal of its own ---------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Portal]:
    made = Portal(tmp_path / "home", extra={"GRISTMILL_METRICS_TOKEN": METRICS_TOKEN})
    made.start()
    yield made
    assert made.stop() == 0


def test_without_redis_and_scheduler_it_is_degraded_and_serves(own: Portal) -> None:
    def state() -> Any:
        return httpx.get(f"{own.address}/readyz", timeout=20).json()

    def down() -> bool:
        for words in (("redis-server",), ("manage.py", "scheduler")):
            try:
                own.child(*words).kill()
            except (ValueError, psutil.Error):
                continue
        found = state()["checks"]
        return bool(found["redis"]["status"] == found["scheduler"]["status"] == "degraded")

    assert eventually(down, within=40)
    assert httpx.get(f"{own.address}/readyz").status_code == 200
    assert httpx.get(own.address).status_code == 200
    assert figures(own)
    assert eventually(lambda: state()["status"] == "ok", within=60)


def test_a_store_that_takes_nothing_is_not_ready(own: Portal) -> None:
    incoming = own.home / "blobs" / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    incoming.rename(incoming.with_name("away"))
    incoming.write_bytes(b"in the way")
    assert eventually(lambda: httpx.get(f"{own.address}/readyz").status_code == 503)
    assert httpx.get(f"{own.address}/readyz").json()["checks"]["storage"]["status"] == "failing"
    assert httpx.get(f"{own.address}/healthz").status_code == 200
    done = subprocess.run(
        [sys.executable, "manage.py", "healthy", "web", "--port", str(own.port)],
        cwd=ROOT, env=own.env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "storage" in done.stdout
    incoming.unlink()
    assert eventually(lambda: httpx.get(f"{own.address}/readyz").status_code == 200)
