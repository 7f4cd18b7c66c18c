"""Wake-ups by Celery are hints: a broker that is away holds nobody up, least of all the scheduler's next pass."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.portal import ROOT

SOON_S = 1.0
PROGRAM = """
import json, time
import django
django.setup()
import portal.celery
from jobs.datasets import tasks as datasets
from jobs.queue import tasks as queue
took = []
for _wake in range(3):
    began = time.monotonic()
    {wake}
    took.append(time.monotonic() - began)
print(json.dumps(took))
"""


@pytest.mark.parametrize("wake", ["queue.wake_node('mill-1', 'nothing')", "datasets.wake('nothing')"])
def test_a_broker_that_is_away_is_not_waited_for(wake: str, tmp_path: Path) -> None:
    env = os.environ | {"GRISTMILL_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    program = [sys.executable, "-c", PROGRAM.format(wake=wake)]
    done = subprocess.run(program, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stderr.count("the broker is away") == 3
    assert max(json.loads(done.stdout)) < SOON_S
