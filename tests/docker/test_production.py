"""The production shape, brought up by docker-compose.yml and used through its nginx: `make test-docker` on a machine
with Docker, as root, after `make docker-up`. It kills containers, and takes the mill down and up again.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from portal.site.demo import write_digits
from tests.docker.mill import ADDRESS, Scripter, compose, container, docker, get, inside, trust

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]
OURS = ("web", "scheduler", "helper", "node", "edge")
ALL = (*OURS, "postgres", "redis")
SECRETS = ("database-url", "redis-url", "secret-key", "signing-key", "postgres-password", "redis-password")


@pytest.fixture(scope="module")
def ada() -> Scripter:
    return Scripter()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, str]]:
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def dataset(ada: Scripter, digits: tuple[Path, dict[Path, str]]) -> str:
    name = ada.dataset("Digits")
    ada.upload(name, digits[0])
    return name


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def inspect(service: str) -> Any:
    return json.loads(docker("inspect", container(service)))[0]


def kill(service: str) -> None:
    """As the kernel would: Docker takes its own `kill` for a wish that the container stay down."""
    os.kill(inspect(service)["State"]["Pid"], signal.SIGKILL)


def is_well(service: str) -> bool:
    state = inspect(service)["State"]
    return state["Running"] and state["Health"]["Status"] == "healthy"


def wait_until_well(*services: str, timeout_s: float = 240) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if all(is_well(service) for service in services):
            return
        time.sleep(1)
    raise AssertionError(compose("ps"))


def frames(job: str, token: str) -> Iterator[dict[str, Any]]:
    """What the job's websocket says until the job has ended."""
    address = f"{ADDRESS.replace('https', 'wss')}/ws/jobs/{job}"
    headers = {"Authorization": f"Token {token}"}
    with connect(address, additional_headers=headers, ssl=trust(), open_timeout=30) as socket:
        while True:
            frame = json.loads(socket.recv(timeout=120))
            yield frame
            if frame["type"] == "status" and frame.get("status") in ("succeeded", "failed", "cancelled"):
                return


def test_pages_come_over_tls_with_every_shield() -> None:
    page = get("/account/login/")
    assert page.status_code == 200
    assert "Sign in" in page.text
    assert page.headers.get_list("strict-transport-security") == ["max-age=31536000; includeSubDomains"]
    assert "Secure" in page.headers["set-cookie"]
    style = get("/static/build/app.css")
    assert style.headers["x-content-type-options"] == "nosniff"
    assert style.headers["content-encoding"] == "gzip"


def test_what_a_client_says_about_itself_is_not_believed(ada: Scripter) -> None:
    lies = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.9.8.7"}
    headers = {
        **lies,
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "10",
        "Upload-Metadata": f"dataset {in_base64(ada.dataset('Lies'))}",
    }
    answer = ada.http.post("/uploads", headers=headers)
    assert answer.headers["location"].startswith(f"{ADDRESS}/api/v1/uploads/"), answer.headers


def test_a_large_body_is_refused_where_none_belongs(ada: Scripter) -> None:
    answer = ada.http.post("/jobs", content=b" " * 7_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_blobs_have_no_door_of_their_own() -> None:
    assert get(f"/_blobs/00/{'0' * 64}").status_code == 404


def test_containers_are_nobody_special_and_tell_no_secret() -> None:
    folder = Path(os.environ.get("GRISTMILL_DOCKER", "var/docker")) / "secrets"
    for service in ALL:
        found = inspect(service)
        assert found["Config"]["User"] not in ("", "root", "0"), service
        assert found["HostConfig"]["ReadonlyRootfs"], service
        status = inside(service, "cat", "/proc/1/status", "/proc/self/status")
        wanted = ("NoNewPrivs:\t1", "CapEff:\t0000000000000000")
        assert all(status.count(line) == 2 for line in wanted), (service, status)
        assert "Uid:\t0" not in status, service
        shown = json.dumps(found) + inside(service, "env")
        for name in SECRETS:
            assert max((folder / name).read_text().splitlines(), key=len) not in shown, (service, name)


def test_the_node_shuts_jobs_in() -> None:
    found = json.loads(
        inside(
            "node", "python", "-c",
            "import json; from jobs.runner import sandbox; r = sandbox.probe();"
            "print(json.dumps([r.available, r.nested, r.enforced]))",
        )
    )  # fmt: skip
    assert found[:2] == [True, True]
    assert {"Jobs have no network.", "Jobs of one node can't see each other's folders."} <= set(found[2])


def test_the_main_job_through_nginx(
    ada: Scripter, digits: tuple[Path, dict[Path, str]], dataset: str, tmp_path: Path
) -> None:
    job = ada.train(dataset, epochs=8)
    seen = {frame["type"] for frame in frames(job, ada.token)}
    assert {"status", "progress", "metric"} <= seen
    ended = ada.ended(job)
    assert ended["status"] == "succeeded", ended
    bundle = ada.wait(f"/bundles/{ended['bundles'][0]}", lambda bundle: bundle["state"] != "building")
    assert bundle["state"] == "ready", bundle
    check_download(ada, bundle)
    run_at_home(ada, bundle, digits[1], tmp_path)


def check_download(ada: Scripter, bundle: dict[str, Any]) -> None:
    """By nginx from the disk: whole, in parts, and not at all to who has it."""
    whole = ada.http.get(bundle["download"])
    etag = f'"{bundle["sha256"]}"'
    assert (whole.headers["etag"], len(whole.content)) == (etag, bundle["bytes"])
    assert "attachment" in whole.headers["content-disposition"]
    assert "last-modified" in whole.headers
    part = ada.http.get(bundle["download"], headers={"Range": "bytes=100-299", "If-Range": etag})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{bundle['bytes']}"
    stale = ada.http.get(bundle["download"], headers={"Range": "bytes=100-299", "If-Range": '"another"'})
    assert (stale.status_code, stale.content) == (200, whole.content)
    assert ada.http.get(bundle["download"], headers={"If-None-Match": etag}).status_code == 304
    assert get(f"/api/v1/bundles/{bundle['id']}/download").status_code == 401


def run_at_home(ada: Scripter, bundle: dict[str, Any], held_out: dict[Path, str], folder: Path) -> None:
    (folder / "bundle.zip").write_bytes(ada.http.get(bundle["download"]).content)
    (folder / "key.pem").write_text(ada.http.get("/signing-key").text)
    with zipfile.ZipFile(folder / "bundle.zip") as packed:
        packed.extractall(folder / "pi")
    home = next((folder / "pi").iterdir())

    def run(*arguments: str) -> str:
        program = [sys.executable, "-I", str(home / "run.py"), *arguments]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("--verify", "--key", str(folder / "key.pem"))
    assert run("--selftest").strip().splitlines()[-1].startswith("PASS")
    answers = [json.loads(line) for line in run(*map(str, held_out), "--json").splitlines()]
    right = sum(held_out[Path(answer["input"])] == answer["label"] for answer in answers)
    assert right / len(held_out) > 0.9, right


def test_an_upload_by_tus_goes_on_after_the_web_process_was_killed(
    ada: Scripter, digits: tuple[Path, dict[Path, str]]
) -> None:
    content = digits[0].read_bytes()
    dataset = ada.dataset("Digits by tus")
    tus = {"Tus-Resumable": "1.0.0"}
    metadata = f"filename {in_base64('digits.zip')},dataset {in_base64(dataset)}"
    begun = ada.http.post(
        "/uploads", headers={**tus, "Upload-Length": str(len(content)), "Upload-Metadata": metadata}
    )
    place = begun.headers["location"]
    patch = {**tus, "Content-Type": "application/offset+octet-stream"}
    half = len(content) // 2
    ada.http.patch(place, content=content[:half], headers={**patch, "Upload-Offset": "0"}).raise_for_status()
    kill("web")
    away = ada.http.head(place, headers=tus)
    while away.status_code == 503:
        time.sleep(0.5)
        away = ada.http.head(place, headers=tus)
    assert away.headers["upload-offset"] == str(half)
    ada.http.patch(
        place, content=content[half:], headers={**patch, "Upload-Offset": str(half)}
    ).raise_for_status()
    ada.checked(ada.http.get(place, headers=tus).json()["version"].removeprefix(f"{ADDRESS}/api/v1"))


@pytest.mark.parametrize("victim", ["node", "scheduler", "redis", "postgres", "web", "edge"])
def test_a_job_outlives(victim: str, ada: Scripter, dataset: str) -> None:
    wait_until_well(*ALL)
    job = ada.train(dataset, epochs=60, early_stop=False)
    ada.wait(f"/jobs/{job}", lambda job: job["progress"] > 0.05)
    kill(victim)
    ended = ada.ended(job)
    assert (ended["status"], ended["progress"]) == ("succeeded", 1.0), ended
    assert len(ended["attempts"]) == (2 if victim == "node" else 1), ended["attempts"]
    wait_until_well(*ALL)


def test_all_is_kept_when_the_mill_is_taken_down_and_up(ada: Scripter) -> None:
    before = {kind: ada.call("GET", f"/{kind}") for kind in ("datasets", "jobs", "models", "bundles")}
    compose("down")
    compose("up", "--detach", "--no-build")
    wait_until_well(*ALL)
    after = {kind: ada.call("GET", f"/{kind}") for kind in ("datasets", "jobs", "models", "bundles")}
    assert before == after
