"""The processes that make up a portal on one machine."""

import os
import socket
import sys
import time
from pathlib import Path

from django.conf import settings

from portal.core import embedded_redis
from portal.core.supervisor import Program
from portal.core.telemetry import logs
from portal.kit.errors import UserError

THREADS_QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
START_S = 60.0


def programs(*, host: str, port: int) -> list[Program]:
    """Redis (unless `REDIS_URL` names another), web, scheduler, helper worker, and this machine as a node."""
    own_redis = settings.REDIS_URL.startswith("unix://")
    return [
        *([_redis()] if own_redis else []),
        _python(
            "web",
            [
                "-m",
                "uvicorn",
                "portal.asgi:application",
                "--host",
                host,
                "--port",
                str(port),
                "--no-access-log",
                "--no-server-header",
                "--no-proxy-headers",  # whom to believe is Django's to know (GRISTMILL_BEHIND_PROXY)
                "--log-level",
                "warning",
                "--ws-ping-interval",
                "20",
                "--ws-max-size",  # browsers send nothing; the default is 16 MB
                "65536",
                "--ws-per-message-deflate",  # what is read at once can unpack to 200 MB, all of it held
                "false",
                "--timeout-graceful-shutdown",
                "5",
            ],
        ),
        _manage("scheduler", "scheduler"),
        _python(
            "helper",
            [
                "-m",
                "celery",
                "-A",
                "portal.celery",
                "--quiet",
                "worker",
                "--pool=threads",
                "--concurrency=2",
                "--queues=gristmill",
                f"--hostname=helper@{settings.NODE_NAME}",
                "--without-gossip",
                "--without-mingle",
                f"--loglevel={settings.LOG_LEVEL}",
            ],
        ),
        _manage("node", "node", grace_s=40.0),
    ]


def wait_until_serving(*, host: str, port: int) -> None:
    """Return once the web process accepts connections; UserError if it does not within a minute."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0:  # noqa: S104
                return
        time.sleep(0.05)
    raise UserError("no_start", f"The web process did not start. Its log: {_log('web')}")


def check_port(*, host: str, port: int) -> None:
    """UserError when something else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            detail = f"Port {port} can't be used: {error.strerror}. Choose another: make run PORT={port + 1}"
            raise UserError("port_taken", detail) from None


def _log(name: str) -> Path:
    return Path(settings.HOME) / "logs" / f"{name}.log"


def _redis() -> Program:
    socket_path = Path(settings.REDIS_SOCKET)
    return Program(
        name="redis",
        argv=embedded_redis.command(
            socket=socket_path, data=Path(settings.HOME) / "redis", log=_log("redis")
        ),
        env=os.environ,
        log=_log("redis"),
        opens_log=True,
        log_size=settings.LOG_FILES,
        ready=lambda: embedded_redis.wait_until_up(socket_path, timeout_s=START_S),
    )


def _manage(name: str, *arguments: str, grace_s: float = 10.0) -> Program:
    program = _python(name, [str(settings.BASE_DIR / "manage.py"), *arguments])
    program.grace_s = grace_s
    return program


def _python(name: str, arguments: list[str]) -> Program:
    env = (
        os.environ
        | THREADS_QUIET
        | {
            "GRISTMILL_HOME": str(settings.HOME),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "PYTHONUNBUFFERED": "1",
            logs.FILE: str(_log(name)),
        }
    )
    argv = [sys.executable, *arguments]
    return Program(name=name, argv=argv, env=env, log=_log(name), log_size=settings.LOG_FILES)
