"""A helper finds uploads to check by itself: without a broker too."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.datasets.lookout import Lookout
from jobs.datasets.models import Version, VersionState
from portal.core import leases
from tests.datasets.samples import image_zip
from tests.e2e.portal import Portal

Make = Callable[..., Version]


@pytest.mark.django_db(transaction=True)
def test_what_waits_at_two_looks_is_checked_and_what_another_checks_is_left(make_version: Make) -> None:
    mine, others = make_version(image_zip()), make_version(image_zip())
    assert leases.take(Version.objects.filter(pk=others.pk), holder="another", ttl_s=60)
    lookout = Lookout()
    assert (lookout.look(), lookout.look(), lookout.look()) == (0, 1, 0)
    states = dict(Version.objects.values_list("pk", "state"))
    assert states == {mine.pk: VersionState.READY, others.pk: VersionState.VALIDATING}


@pytest.mark.e2e
def test_a_helper_whose_broker_never_answers_checks_uploads(tmp_path: Path) -> None:
    home = Portal(tmp_path, extra={"REDIS_URL": f"unix://{tmp_path}/nobody.sock", "DATABASE_URL": ""})
    home.manage("migrate")
    home.manage("member", "create", "eve", "--password", "a long enough password")
    (tmp_path / "digits.zip").write_bytes(image_zip())
    code = (
        "from pathlib import Path; from jobs.datasets import services; from portal.members.models import Member;"
        "eve = Member.objects.get(); path = Path('%s');"
        "data = services.create_dataset(owner=eve, name='D', task='image-classification');"
        "services.receive_file(dataset=data, file=path, size=path.stat().st_size, filename='d.zip')"
    )
    home.manage("shell", "-c", code % (tmp_path / "digits.zip"))
    command = [sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "--pool=threads"]
    with (tmp_path / "helper.log").open("wb") as log:
        helper = subprocess.Popen(
            [*command, "--queues=gristmill"], env=os.environ | home.env, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 60
        state = ""
        while "ready" not in state and time.monotonic() < until:
            time.sleep(2)
            state = home.manage(
                "shell",
                "-v0",
                "-c",
                "from jobs.datasets.models import Version as V; print(V.objects.get().state)",
            )
        assert "ready" in state, (tmp_path / "helper.log").read_text()
    finally:
        helper.kill()
        helper.wait()
