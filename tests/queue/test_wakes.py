"""Wake-ups by Celery are hints: a broker that is away, or hangs, holds nobody up, least of all the scheduler's next
pass.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.portal import ROOT

SOON_S = 1.0
WAKES = pytest.mark.parametrize("wake", ["queue.wake_node('mill-1', 'nothing')", "datasets.wake('nothing')"])
ANSWER_S = 1.5
PROGRAM = f"""
import json, time
import django
django.setup()
from django.conf import settings
settings.CELERY["broker_transport_options"]["socket_timeout"] = {ANSWER_S}
import portal.celery
from jobs.datasets import tasks as datasets
from jobs.queue import tasks as queue
took = []
for _wake in range(5):
    began = time.monotonic()
    WAKE
    took.append(time.monotonic() - began)
print(json.dumps(took))
"""


def seconds(wake: str, home: Path) -> list[float]:
    """How long each of several wakes takes, with the Redis of that home."""
    env = os.environ | {"GRISTMILL_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    program = [sys.executable, "-c", PROGRAM.replace("WAKE", wake)]
    done = subprocess.run(program, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "was not told" in done.stderr
    found: list[float] = json.loads(done.stdout)
    return found


@WAKES
def test_a_broker_that_is_away_is_not_waited_for(wake: str, tmp_path: Path) -> None:
    assert max(seconds(wake, tmp_path)) < SOON_S


@WAKES
def test_a_broker_that_hangs_is_waited_for_once(wake: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "run" / "redis.sock"))
        server.listen(16)
        first, *others = seconds(wake, tmp_path)
    assert ANSWER_S / 2 < first < 3 * ANSWER_S
    assert max(others) < SOON_S
