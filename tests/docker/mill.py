"""A mill that runs under docker-compose, used from outside through its nginx."""

import functools
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = os.environ.get("GRISTMILL_DOCKER_URL", "https://localhost")


def compose(*arguments: str) -> str:
    """What docker compose (or docker-compose) answers; it finds the project by COMPOSE_FILE, else here."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True)
    command = (
        ["docker", "compose"]
        if plugin.returncode == 0
        else [shutil.which("docker-compose") or "docker-compose"]
    )
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def container(service: str) -> str:
    return compose("ps", "-q", service).strip()


def inside(service: str, *command: str) -> str:
    return compose("exec", "-T", service, *command)


@functools.cache
def trust() -> ssl.SSLContext:
    """Trust in the certificate that the edge has, and that it is for this address."""
    return ssl.create_default_context(cadata=inside("edge", "cat", "/tmp/edge/certificate.pem"))


def get(path: str) -> httpx.Response:
    """As anybody."""
    return httpx.get(f"{ADDRESS}{path}", verify=trust())


@dataclass
class Scripter:
    """A new member, and their token."""

    name: str = field(default_factory=lambda: f"member{time.time_ns()}")

    def __post_init__(self) -> None:
        inside("web", "manage.py", "member", "create", self.name, "--password", "a long enough password")
        self.token = inside("web", "manage.py", "token", self.name).strip()
        self.auth = {"Authorization": f"Token {self.token}"}
        self.http = httpx.Client(base_url=f"{ADDRESS}/api/v1", headers=self.auth, verify=trust(), timeout=120)

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def wait(self, path: str, done: Callable[[Any], bool], timeout_s: float = 300) -> Any:
        """Ask until `done`. That the portal is away is waited out; any other trouble is none that it may have."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            answer = self.ask(path)
            if answer is not None and done(answer.json()):
                return answer.json()
            time.sleep(0.3)
        raise AssertionError(f"{path} took more than {timeout_s} s: {answer and answer.text}")

    def ask(self, path: str) -> httpx.Response | None:
        """None while nothing listens, or the edge or the portal says that it is not there."""
        try:
            answer = self.http.get(path)
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer

    def dataset(self, name: str) -> str:
        body = {"name": name, "task": "image-classification"}
        return str(self.call("POST", "/datasets", json=body)["id"])

    def upload(self, dataset: str, archive: Path) -> Any:
        with archive.open("rb") as file:
            files = {"file": (archive.name, file, "application/zip")}
            number = self.call("POST", f"/datasets/{dataset}/versions", files=files)["number"]
        return self.checked(f"/datasets/{dataset}/versions/{number}")

    def checked(self, path: str) -> Any:
        version = self.wait(path, lambda version: version["state"] != "validating")
        assert version["state"] == "ready", version["reason"]
        return version

    def train(self, dataset: str, **params: Any) -> str:
        body = {
            "recipe": "image-classifier",
            "dataset": dataset,
            "targets": ["raspberry-pi-4"],
            "params": params,
        }
        return str(self.call("POST", "/jobs", json=body)["id"])

    def ended(self, job: str) -> Any:
        return self.wait(f"/jobs/{job}", lambda job: job["status"] in ("succeeded", "failed", "cancelled"))
