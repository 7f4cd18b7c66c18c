"""Every way to end has a name and a sentence."""

import errno
import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.ends import GpuUse, Reason, end_of
from jobs.engine.events import Event, Reporter, Wish
from jobs.engine.exhausted import asked_bytes
from jobs.engine.main import run
from jobs.engine.spec import memory_to_ask
from tests.engine.conftest import After, Start, number_columns, write_pictures, write_table


def reason_of(error: BaseException) -> Reason | None:
    end = end_of(error)
    return None if end is None else end.reason


def sentence_of(error: BaseException, gpu: GpuUse | None = None) -> str:
    end = end_of(error, gpu)
    assert end is not None
    return end.message


def test_errors_with_a_name() -> None:
    assert reason_of(MemoryError()) is Reason.OUT_OF_MEMORY
    assert reason_of(OSError(errno.ENOMEM, "Cannot allocate memory")) is Reason.OUT_OF_MEMORY
    assert reason_of(RuntimeError("XLA: RESOURCE_EXHAUSTED: Out of memory")) is Reason.OUT_OF_MEMORY
    assert reason_of(OSError(errno.ENOSPC, "No space left on device")) is Reason.DISK_FULL
    assert reason_of(OSError(errno.EDQUOT, "Disk quota exceeded")) is Reason.DISK_FULL
    assert reason_of(RuntimeError("a bug")) is None
    assert reason_of(FileNotFoundError("x")) is None


@pytest.mark.train
def test_tensorflows_exhausted_memory_is_out_of_memory() -> None:
    import tensorflow as tf

    with pytest.raises(tf.errors.OpError) as caught:
        tf.zeros((1 << 22, 1 << 22)) + 1
    assert reason_of(caught.value) is Reason.OUT_OF_MEMORY
    assert asked_bytes(caught.value) == (1 << 44) * 4
    assert "asked for 67,108,864 MB at once" in sentence_of(caught.value)


def test_numpys_exhausted_memory_is_out_of_memory() -> None:
    with pytest.raises(MemoryError) as caught:
        np.ones((1 << 22, 1 << 22))
    assert reason_of(caught.value) is Reason.OUT_OF_MEMORY
    assert asked_bytes(caught.value) == (1 << 44) * 8
    assert "asked for 134,217,728 MB at once" in sentence_of(caught.value)


def test_jax_exhausted_memory_is_out_of_memory() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed here")
    with pytest.raises(RuntimeError) as caught:
        jax.numpy.ones((1 << 22, 1 << 22)).block_until_ready()
    assert reason_of(caught.value) is Reason.OUT_OF_MEMORY
    assert asked_bytes(caught.value) == (1 << 44) * 4


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("OOM when allocating tensor with shape[256,8,8] and type half on /job:a", 32_768),
        ("OOM when allocating tensor with shape[] and type double on /job:a", 8),
        ("OOM when allocating tensor with shape[4] and type resource on /job:a", None),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 42949672960 bytes.", 42_949_672_960),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8192 bytes.", 8192),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4.50GiB.", 9 << 29),
        ("RESOURCE_EXHAUSTED: Failed to allocate request for 1.00GiB (1073741824B) on device 0", 1 << 30),
        ("RESOURCE_EXHAUSTED: nothing was left", None),
    ],
)
def test_what_was_asked_for_is_read_from_what_they_say(text: str, size: int | None) -> None:
    assert asked_bytes(RuntimeError(text)) == size


def test_who_runs_out_of_a_gpu_reads_what_was_had_wanted_and_allowed() -> None:
    error = RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1073741824 bytes.")
    has = GpuUse(peak_bytes=3 << 30, bytes_in_use=3 << 29, limit_bytes=1 << 31)
    assert sentence_of(error, has) == (
        "The training ran out of the GPU's memory: it had 1,536 MB and wanted 1,024 MB more, and its limit is "
        "2,048 MB. Ask for at least 2,816 MB, or choose a smaller batch size, picture size or width."
    )
    assert "limit" not in sentence_of(error, replace(has, limit_bytes=0))
    on_processor = RuntimeError("OOM when allocating tensor with shape[9] and type float on /device:CPU:0")
    assert "GPU" not in sentence_of(MemoryError("Unable to allocate 2.00 GiB for an array"), has)
    assert reason_of(RuntimeError("RESOURCE_EXHAUSTED " + str(on_processor))) is Reason.OUT_OF_MEMORY
    assert "GPU" not in sentence_of(RuntimeError("RESOURCE_EXHAUSTED " + str(on_processor)), has)


@pytest.mark.train
@pytest.mark.parametrize("kind", ["build", "import"])
def test_what_fails_and_trains_nothing_does_not_speak_of_a_training(kind: str) -> None:
    events: list[Event] = []
    run({"kind": kind}, events.append, Wish())
    assert events[-1]["reason"] == "crashed"
    assert events[-1]["message"] == "The job's program failed unexpectedly; its log says where."
    assert any("ValidationError" in event.get("text", "") for event in events if event["type"] == "log")


@given(st.integers(1, 1 << 50))
def test_what_is_advised_is_enough_and_not_much_more(wanted: int) -> None:
    asked = memory_to_ask(wanted) << 20
    assert wanted * 1.1 <= asked + 1
    assert asked < wanted * 1.1 + (256 << 20) + 1


@pytest.mark.train
def test_a_loss_that_is_no_number_ends_with_advice(iris: Path, tmp_path: Path) -> None:
    from jobs.engine.ends import NanLossError
    from jobs.engine.recipes.tables import TableClassifierParams
    from jobs.engine.task import TrainTask
    from jobs.engine.training.tables import train_table

    params = TableClassifierParams.model_construct(epochs=3, learning_rate=1e38)
    task = TrainTask(
        recipe="table-classifier", data=iris, data_key="k", cache=tmp_path / "cache", out=tmp_path, params={}
    )
    with pytest.raises(NanLossError, match="smaller learning rate") as caught:
        train_table(task, params, Reporter(lambda _: None, Wish()))
    assert reason_of(caught.value) is Reason.NAN_LOSS


@pytest.mark.train
def test_a_full_disk_is_named(iris: Path, start: Start, tmp_path: Path) -> None:
    out = tmp_path / "full"
    out.mkdir()
    # Every write to /dev/full fails as on a full disk.
    for step in range(1, 30):
        (out / f".checkpoint-{step}.npz.part").symlink_to("/dev/full")
    run_ = start("table-classifier", iris, {"epochs": 2}, out=out, checkpoint_s=0.0)
    assert run_.done["reason"] == "disk_full"
    assert "disk" in run_.done["message"]


def changed(data: Path, to: Path, **fields: Any) -> Path:
    shutil.copytree(data, to)
    index = json.loads(gzip.decompress((to / "index.json.gz").read_bytes()))
    (to / "index.json.gz").write_bytes(gzip.compress(json.dumps({**index, **fields}).encode()))
    return to


@pytest.mark.train
def test_data_that_cannot_be_learned_from_is_refused_in_words(
    iris: Path, few_digits: Path, diabetes: Path, start: Start, tmp_path: Path
) -> None:
    one = write_pictures(
        tmp_path / "one", np.zeros((9, 8, 8), dtype=np.uint8), np.zeros(9, dtype=int), np.arange(9) % 3
    )
    untested = write_pictures(
        tmp_path / "untested", np.zeros((9, 8, 8), dtype=np.uint8), np.arange(9) % 2, np.arange(9) % 2
    )
    gone = tmp_path / "gone"
    shutil.copytree(few_digits, gone)
    (gone / "upload").write_bytes((one / "upload").read_bytes())
    endless = write_table(
        tmp_path / "endless", np.ones((20, 2)), np.full(20, np.nan), labels=None, columns=number_columns(2)
    )
    for recipe, data, says in [
        ("image-classifier", one, "fewer than two classes"),
        ("image-classifier", untested, "no samples for test"),
        ("image-classifier", gone, "archive"),
        ("image-classifier", iris, "is a table"),
        ("table-classifier", few_digits, "are pictures"),
        ("table-classifier", diabetes, "does not suit this recipe"),
        ("table-regressor", endless, "no finite numbers"),
        ("table-classifier", changed(iris, tmp_path / "short", columns=number_columns(3)), "does not match"),
        ("table-classifier", tmp_path / "nowhere", "index cannot be read"),
    ]:
        run_ = start(recipe, data, {"epochs": 1})
        assert (run_.done["reason"], says in run_.done["message"]) == ("bad_data", True), (
            run_.done,
            run_.logs,
        )


@pytest.mark.train
def test_wrong_tasks_are_refused_and_bugs_are_crashes_with_their_traceback(iris: Path, start: Start) -> None:
    assert start("alchemy", iris, {}).done["reason"] == "bad_data"
    assert "parameters do not fit" in start("table-classifier", iris, {"epochs": -1}).done["message"]
    events: list[Event] = []
    run({"kind": "train", "recipe": "table-classifier"}, events.append, Wish())
    assert events[-1]["reason"] == "crashed"
    assert "Traceback" in events[-2]["text"]


@pytest.mark.train
def test_interrupted_while_decoding_there_is_nothing_to_save(digits: Path, start: Start) -> None:
    run_ = start("image-classifier", digits, {}, After("checkpoint", 1))
    assert (run_.done["reason"], run_.of("checkpoint")) == ("interrupted", [])


def test_progress_is_said_at_most_four_times_a_second() -> None:
    now = 100.0
    events: list[Event] = []
    reporter = Reporter(events.append, Wish(), clock=lambda: now)
    for step in range(1000):
        now += 0.01
        reporter.progress("training", step / 1000, step=step)
    assert 35 <= len(events) <= 41
    reporter.progress("evaluating", 0.0)
    assert events[-1]["phase"] == "evaluating", "a new phase is said at once"
