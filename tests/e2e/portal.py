"""A whole portal in processes of its own, as `manage.py up` starts it, and members who use it from outside."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a long enough password"
START_S = 60
ENDED = {"succeeded", "failed", "cancelled"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(process: psutil.Process) -> str:
    """Its command line; empty once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@dataclass
class Portal:
    """`manage.py up` on a home of its own."""

    home: Path
    port: int = field(default_factory=free_port)
    extra: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT  # whose code runs
    process: "subprocess.Popen[str] | None" = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}
        return (
            plain
            | {"GRISTMILL_HOME": str(self.home), "DJANGO_SETTINGS_MODULE": "portal.settings"}
            | self.extra
        )

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.root, env=self.env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> str:
        """Start it and wait until it says so; what it said."""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=self.root, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said += line
            if line.startswith("State:"):
                return said
        raise AssertionError(f"up ended: {said}")

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def processes(self) -> list[psutil.Process]:
        """The whole process tree, sandboxes included."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def child(self, *words: str, newest: bool = False) -> psutil.Process:
        """The oldest (or newest) process whose command line has all these words."""
        found = [p for p in self.processes() if all(word in _command(p) for word in words)]
        return (max if newest else min)(found, key=lambda process: process.create_time())

    def member(self, name: str, *, steward: bool = False) -> "Scripter":
        self.manage("member", "create", name, "--password", PASSWORD, *(["--steward"] if steward else []))
        return Scripter(self, name, self.manage("token", name).strip())


@dataclass
class Scripter:
    """A member who uses the REST API."""

    portal: Portal
    name: str
    token: str

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=f"{self.portal.address}/api/v1",
            headers={"Authorization": f"Token {self.token}"},
            timeout=60,
        )

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def wait(self, path: str, done: Callable[[Any], bool], timeout_s: float = 180) -> Any:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            found = self.get(path)
            if done(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{path} took more than {timeout_s} s: {found}\n{self.trail(path)}")

    def trail(self, path: str) -> str:
        """What is known about a job that did not get on."""
        if not path.startswith("/jobs/"):
            return ""
        return self.http.get(f"{path}/events").text + self.http.get(f"{path}/logs").text

    def dataset(self, name: str, task: str, file: str, content: bytes, **more: str) -> str:
        """A ready dataset of one version; its id."""
        dataset: str = self.post("/datasets", {"name": name, "task": task, **more})["id"]
        answer = self.http.post(f"/datasets/{dataset}/versions", files={"file": (file, content)})
        assert answer.status_code == 202, answer.text
        version = self.wait(
            f"/datasets/{dataset}/versions/{answer.json()['number']}", lambda v: v["state"] != "validating"
        )
        assert version["state"] == "ready", version["reason"]
        return dataset

    def ended(self, job: dict[str, Any], timeout_s: float = 180) -> Any:
        return self.wait(f"/jobs/{job['id']}", lambda j: j["status"] in ENDED, timeout_s)

    def running(self, job: dict[str, Any]) -> Any:
        return self.wait(f"/jobs/{job['id']}", lambda j: j["status"] != "queued" and j["progress"] > 0)


def digits_zip(count: int = 600) -> bytes:
    """Real handwritten digits as an image-folder zip."""
    digits = load_digits()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(count):
            picture = io.BytesIO()
            Image.fromarray((digits.images[number] * 255 / 16).round().astype(np.uint8)).save(picture, "PNG")
            archive.writestr(f"digits/{digits.target[number]}/{number}.png", picture.getvalue())
    return packed.getvalue()


def steward_link(said: str) -> str:
    found = re.search(r"http\S+/join/\S+", said)
    assert found, said
    return found.group()
