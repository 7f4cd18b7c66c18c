"""What the engine says is stored as far as a database can store it, and dropped where it can't be meant."""

from collections.abc import Callable

import pytest

from jobs.queue import lifecycle
from jobs.queue.lifecycle import Held
from jobs.queue.messages import Done, Log, parse
from jobs.queue.models import Job
from jobs.queue.reasons import EndReason
from jobs.queue.record import Recorder
from portal.core.leases import StaleLease
from tests.queue.test_api import nowhere

Submit = Callable[..., Job]
Start = Callable[..., Held]
HOSTILE = "a\x00b\ud800c"
PLAIN = "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_texts_that_no_database_takes_are_stored_in_part(submit: Submit, start: Start) -> None:
    job = submit()
    recorder = Recorder(start(job), nowhere)
    recorder.take({"type": "metric", "step": 1, "values": {HOSTILE: 1.0}})
    recorder.take({"type": "progress", "phase": HOSTILE, "fraction": 0.5})
    recorder.take({"type": "log", "text": HOSTILE})
    recorder.log(HOSTILE)  # what a child that died left on its standard error
    recorder.flush()
    job.refresh_from_db()
    assert job.metrics == {PLAIN: 1.0}
    assert job.position["phase"] == PLAIN
    assert job.log_chunks.get().text == f"{PLAIN}\n" * 2


def test_the_last_word_is_plain_to_its_depth() -> None:
    said = parse(
        {"type": "done", "reason": "done", "message": HOSTILE, "summary": {"a": [{HOSTILE: HOSTILE}]}}
    )
    assert said == Done(type="done", reason="done", message=PLAIN, summary={"a": [{PLAIN: PLAIN}]})
    deep: object = "x"
    for _level in range(50):
        deep = [deep]
    assert parse({"type": "done", "reason": "done", "summary": {"a": deep}}) is None


@pytest.mark.parametrize(
    "event",
    [
        {"type": "metric", "step": 2**64, "values": {}},
        {"type": "metric", "step": 1, "epoch": float("inf"), "values": {}},
        {"type": "progress", "fraction": float("nan")},
        {"type": "progress", "epochs": float("inf")},
        {"type": "checkpoint", "step": 2**70, "path": "/job/out/c"},
    ],
)
def test_numbers_that_no_column_holds_are_no_message(event: dict[str, object]) -> None:
    assert parse(event) is None


def test_an_ordinary_word_is_left_as_it_is() -> None:
    assert parse({"type": "log", "text": "größer 🎉\n"}) == Log(type="log", text="größer 🎉\n")


def test_a_log_that_could_not_be_written_is_written_next_time(submit: Submit, start: Start) -> None:
    job = submit()
    held = start(job)
    recorder = Recorder(held, nowhere)
    recorder.take({"type": "log", "text": "first"})
    recorder.held = Held(held.attempt_id, held.job_id, held.epoch + 1)
    with pytest.raises(StaleLease):
        recorder.flush()
    recorder.held = held
    recorder.flush()
    assert job.log_chunks.get().text == "first\n"


def test_the_log_of_a_second_attempt_follows_the_first_ones(submit: Submit, start: Start) -> None:
    job = submit()
    for word in ("größer", "second"):
        held = start(job)
        recorder = Recorder(held, nowhere)
        recorder.take({"type": "log", "text": word})
        recorder.flush()
        lifecycle.end(held, EndReason.DRAINED)
    assert list(job.log_chunks.values_list("offset", "text")) == [(0, "größer\n"), (9, "second\n")]
