"""The portal's web process as it really runs, on a home of its own, to be killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import requests
from django.conf import settings

SET_UP = """
import django, json
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from django.utils import timezone
from jobs.datasets.services import create_dataset
from portal.members.models import Member, ApiToken
found = {}
for name in ("alice", "bob"):
    member = Member.objects.create_user(username=name, password="x", approved_at=timezone.now())
    client = Client()
    client.force_login(member, backend="allauth.account.auth_backends.AuthenticationBackend")
    found[name] = {
        "token": ApiToken.objects.create(user=member, name="test")[1],
        "session": client.cookies["sessionid"].value,
        "dataset": create_dataset(owner=member, name="Leaves", task="image-classification").pk,
    }
print(json.dumps(found))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`alice` and `bob` each have a token, a session and a dataset."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "GRISTMILL_HOME": str(home),
            "REDIS_URL": settings.REDIS_URL,
            "DATABASE_URL": "",  # of its home, whatever the other tests run on
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.cast: dict[str, dict[str, str]] = json.loads(self.python(SET_UP).splitlines()[-1])
        self.start()
        return self

    def python(self, program: str) -> bytes:
        """What a program on the server's home prints."""
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, env=self.env, capture_output=True, check=True).stdout

    def __exit__(self, *_: object) -> None:
        self.kill(signal.SIGTERM)

    def start(self) -> None:
        command = [
            "-m",
            "uvicorn",
            "portal.asgi:application",
            "--port",
            str(self.port),
            "--log-level",
            "warning",
        ]
        self.process = subprocess.Popen([sys.executable, *command], env=self.env)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                requests.options(f"{self.url}/api/v1/uploads", timeout=5)
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the web server did not start")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=20)

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the web process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024

    def headers(self, who: str = "alice", **more: str) -> dict[str, str]:
        return {"Authorization": f"Token {self.cast[who]['token']}", "Tus-Resumable": "1.0.0", **more}

    def get(self, path: str, who: str = "alice") -> Any:
        """The JSON at that path or address."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        answer = requests.get(url, headers=self.headers(who), timeout=20)
        answer.raise_for_status()
        return answer.json()
