"""What of its node an attempt may use, and what a member reads whose job wanted more."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from hardware.nodes.models import Accelerator, Node
from jobs.queue import lifecycle, shares
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason, Status
from jobs.queue.supervise import Supervisor
from jobs.runner.gpus import NO_GPUS, Gpus
from jobs.runner.limits import GIB, MIB, Exit, Limits
from jobs.runner.warm import WarmParent
from portal.core import storage
from portal.members.models import Member

Submit = Callable[..., Job]
ENGINE = Path(__file__).parent / "engine"


@pytest.fixture
def gpus(node: Node) -> list[Accelerator]:
    """Two in the node, of which the first told its UUID."""
    node.probe = {
        "accelerators": [{"kind": "cpu", "index": 0}, {"kind": "gpu", "index": 0, "uuid": "GPU-1f"}]
    }
    node.save()
    return [
        Accelerator.objects.create(node=node, kind="gpu", index=index, memory_bytes=16 * GIB)
        for index in (0, 1)
    ]


def begun(job: Job, node: Node, accelerators: list[Accelerator]) -> str:
    return lifecycle.begin(job, node=node, accelerators=accelerators).pk


def test_alone_it_has_all_processors_and_the_usual_memory(submit: Submit, node: Node) -> None:
    job = submit()
    share = shares.share_of(job, begun(job, node, list(node.accelerators.all())))
    assert share.threads == len(os.sched_getaffinity(0))
    assert share.limits.cores is None
    assert share.limits.memory_bytes == settings.JOB_MEMORY_MB * MIB
    assert (share.gpus, share.task()["gpus"]) == (NO_GPUS, 0)


def test_what_was_asked_for_is_the_limit(submit: Submit, node: Node) -> None:
    job = submit(resources={"memory_mb": 512, "max_minutes": 3})
    limits = shares.share_of(job, begun(job, node, list(node.accelerators.all()))).limits
    assert (limits.memory_bytes, limits.seconds) == (512 * MIB, 180.0)


def test_those_on_one_node_divide_its_processors(
    submit: Submit, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    processor = list(node.accelerators.all())
    jobs = [submit(key=str(number)) for number in range(6)]
    found = [shares.share_of(job, begun(job, node, processor)) for job in jobs]
    assert [share.threads for share in found] == [5, 2, 1, 1, 1, 1]
    assert [share.limits.cores for share in found] == [None, 2.5, 5 / 3, 1.25, 1.0, 5 / 6]


def test_a_gpu_is_named_and_limited_and_the_node_s_memory_is_not_its(
    submit: Submit, node: Node, gpus: list[Accelerator]
) -> None:
    job = submit(resources={"accelerator": "gpu", "memory_mb": 4096, "count": 2})
    share = shares.share_of(job, begun(job, node, gpus))
    assert share.gpus == Gpus(("GPU-1f", "1"), 16 * GIB, 4 * GIB)
    assert share.limits.memory_bytes == settings.JOB_MEMORY_MB * MIB
    assert {name: share.task()[name] for name in ("gpus", "gpu_limit_mb")} == {
        "gpus": 2,
        "gpu_limit_mb": 4096,
    }


def test_a_gpu_of_which_nothing_was_asked_is_divided_among_those_on_it(
    submit: Submit, node: Node, gpus: list[Accelerator]
) -> None:
    first, second, elsewhere = (submit(key=name, resources={"accelerator": "gpu"}) for name in "abc")
    assert shares.share_of(first, begun(first, node, gpus[:1])).gpus.limit_bytes is None
    assert shares.share_of(second, begun(second, node, gpus[:1])).gpus.limit_bytes == 8 * GIB
    assert shares.share_of(elsewhere, begun(elsewhere, node, gpus[1:])).gpus.limit_bytes is None


def test_where_a_steward_says_there_is_less_no_job_gets_more(
    submit: Submit, node: Node, gpus: list[Accelerator]
) -> None:
    """Its part is taken of what the card really has: the display needs the rest."""
    node.probe["accelerators"][1]["memory_bytes"] = 16 * GIB
    node.save()
    Accelerator.objects.filter(pk=gpus[0].pk).update(memory_bytes=12 * GIB)
    job = submit(resources={"accelerator": "gpu"})
    found = shares.share_of(job, begun(job, node, gpus[:1])).gpus
    assert found == Gpus(("GPU-1f",), 16 * GIB, 12 * GIB)
    assert found.environment()["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.750000"


def test_who_was_crowded_out_reads_that_it_kept_to_its_limit() -> None:
    ended = Exit(code=None, crowded_out=True, peak_memory_bytes=3000 * MIB)
    said = shares.crowded_out(ended, Limits(memory_bytes=8192 * MIB))
    assert "it had 3,000 of 8,192 MB" in said


@given(st.integers(0, 1 << 45), st.integers(0, 1 << 45), st.integers(1, 1 << 12))
def test_the_sentence_never_says_less_than_the_limit(wanted: int, peak: int, limit_mb: int) -> None:
    said = shares.over_memory(
        Exit(code=None, over_memory=True, wanted_bytes=wanted, peak_memory_bytes=peak),
        Limits(memory_bytes=limit_mb * MIB),
    )
    assert f"{limit_mb:,} MB" in said
    assert ("Ask for at least" in said) == (max(wanted, peak) > limit_mb * MIB)


@pytest.mark.django_db(transaction=True)
def test_who_passes_the_limit_reads_how_much_was_wanted(
    submit: Submit, node: Node, alice: Member, api_for: Callable[..., Any], client_for: Callable[..., Any]
) -> None:
    storage.blobs_root().mkdir(exist_ok=True)
    warm = WarmParent(
        Path(settings.HOME) / "node",
        target="hungry:run",
        preload=["json"],
        code=[ENGINE],
        shared=[storage.blobs_root()],
    )
    job = submit(resources={"memory_mb": 256})
    held = lifecycle.claim(begun(job, node, list(node.accelerators.all())), holder="test")
    assert held is not None

    def run() -> None:
        try:
            Supervisor(held, warm, lambda: False).run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    try:
        warm.start()
        thread.start()
        thread.join(timeout=20)
    finally:
        warm.close()
    told = api_for(alice).get(f"/api/v1/jobs/{job.pk}").json()
    assert (told["status"], told["end_reason"]) == (Status.FAILED, EndReason.OVER_MEMORY_LIMIT)
    said = re.match(
        r"It wanted about (\d+) MB and its limit is 256 MB. Ask for at least 768 MB, or choose",
        told["message"],
    )
    assert said, told
    assert 600 <= int(said[1]) < 690
    assert told["message"] in client_for(alice).get(f"/jobs/{job.pk}").content.decode()
