"""Models of sounds, from the file that is brought to the WAVs that its bundles answer."""

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hardware.targets.registry import TARGETS
from jobs.engine.export.dataless import vectors
from tests.brought.conftest import Take, exported, kept, report_of, saved, taking
from tests.brought.test_bundles_without_data import built
from tests.export.conftest import Built, run_py
from tests.export.test_runner import watching

pytestmark = pytest.mark.train
RATE, SAMPLES, LABELS = 8_000, 800, ["low", "high"]
LOW, HIGH = 300.0, 1_100.0  # Hz


def tone(hertz: float, seconds: float, rate: int = RATE) -> Any:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def record(path: Path, *channels: Any, rate: int = RATE) -> Path:
    """A WAV of 16 bits."""
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, rate, 0, "NONE", ""))
        file.writeframes((np.stack(channels, axis=1) * 32_767).astype("<i2").tobytes())
    return path


def network(shape: tuple[int, ...]) -> Any:
    """Tells low from high tones: trained for a moment on tones of other frequencies, loudness and phase."""
    import keras

    keras.utils.set_random_seed(1)
    chance = np.random.default_rng(0)
    y = chance.integers(0, 2, 400)
    hertz = np.where(y, HIGH, LOW) * chance.uniform(0.8, 1.25, 400)
    phase = chance.uniform(0, 2 * np.pi, (400, 1))
    x = chance.uniform(0.2, 1, (400, 1)) * np.sin(
        2 * np.pi * hertz[:, None] * np.arange(SAMPLES) / RATE + phase
    )
    inputs = keras.Input(shape)
    row = keras.layers.Reshape((SAMPLES, 1))(inputs)
    found = keras.layers.Conv1D(8, 32, strides=8, activation="relu")(row)
    pooled = keras.layers.GlobalMaxPooling1D()(found)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(pooled))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x.reshape(400, *shape), y, epochs=15, verbose=0).history
    assert history["accuracy"][-1] > 0.98
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return network((SAMPLES, 1))


@pytest.fixture(scope="module")
def bundle(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("sounds")
    found = built(taking(home), saved(model, home / "m.keras"), LABELS, home, sample_rate=RATE)
    assert found.done["reason"] == "done", found.done
    return found


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def told(found: list[dict[str, Any]]) -> list[str]:
    return [line["label"] for line in found]


def test_it_is_taken_as_a_model_of_rows_of_samples(model: Any, take: Take, tmp_path: Path) -> None:
    run = take(saved(model, tmp_path / "m.keras"), LABELS, sample_rate=16_000)
    report = report_of(run)
    assert report["task"] == "sound-classification"
    assert report["input"] == {"kind": "sound", "samples": SAMPLES, "rate_hz": 16_000, "range": [-1, 1]}
    assert kept(run).input_shape == (None, SAMPLES)
    x = vectors((SAMPLES,), sounds=True)
    np.testing.assert_allclose(kept(run)(x), model(x[..., None]), atol=1e-5)


def test_a_saved_model_of_sounds(model: Any, take: Take, tmp_path: Path) -> None:
    run = take(exported(model, tmp_path / "packed"), LABELS, sample_rate=RATE)
    assert report_of(run)["task"] == "sound-classification"
    x = vectors((SAMPLES,), sounds=True)
    np.testing.assert_allclose(kept(run)(x), model(x[..., None]), atol=1e-4)


def test_a_number_from_a_sound(take: Take, tmp_path: Path) -> None:
    import keras

    loudness = keras.Sequential([keras.Input((40,)), keras.layers.Dense(1)])
    found = built(take, saved(loudness, tmp_path / "m.keras"), [], tmp_path, sample_rate=1_000)
    assert found.manifest["task"] == "sound-regression"
    path = record(tmp_path / "x.wav", np.full(40, 0.5), rate=1_000)
    [said] = answers(run_py(found.bundle, "--json", path).stdout)
    wanted = np.asarray(loudness(np.full((1, 40), int(0.5 * 32_767) / 2**15)))[0, 0]
    assert said == {"input": str(path), "start_s": 0.0, "value": pytest.approx(float(wanted), rel=1e-4)}


def test_what_the_bundle_says_of_itself(bundle: Built) -> None:
    manifest = bundle.manifest
    assert manifest["input"] == {
        "kind": "sound", "shape": [1, SAMPLES], "dtype": "float32", "scale": "samples -1..1, mono",
        "rate_hz": RATE, "samples": SAMPLES,
    }  # fmt: skip
    assert (manifest["measured"], list(manifest["variants"])) == (False, ["fp32"])
    assert "there are no datasets of sounds yet" in manifest["left_out"]["int8"]
    assert manifest["runtime"]["packages"] == ["numpy", "ai-edge-litert"]
    assert "sounds.py" in manifest["files"]
    done = run_py(bundle.bundle, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32"), done.stderr
    readme = (bundle.bundle / "README.md").read_text()
    for part in ("run.py sound.wav", "8000 Hz", "800 samples (0.1 s)", "`start_s`", "nobody has measured"):
        assert part in readme, part
    for part in ("picture.jpg", "table.csv", "pillow", "--camera"):
        assert part not in readme, part
    assert "sound-classification for" in (bundle.bundle / "report.html").read_text()


def test_every_window_of_a_sound_is_answered(bundle: Built, model: Any, tmp_path: Path) -> None:
    """A low tone, then a high one, in stereo at another rate: half of it on either side."""
    both = np.concatenate([tone(LOW, 0.3, 44_100), tone(HIGH, 0.26, 44_100)])
    path = record(tmp_path / "both.wav", both, both, rate=44_100)
    done = run_py(bundle.bundle, "--json", path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    found = answers(done.stdout)
    assert [line["start_s"] for line in found] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [line["input"] for line in found] == [f"{path}@0.{n}0s" for n in range(6)]
    assert told(found) == ["low"] * 3 + ["high"] * 3
    again = answers(run_py(bundle.bundle, "--json", record(tmp_path / "8k.wav", tone(LOW, 0.1))).stdout)
    x = (tone(LOW, 0.1) * 32_767).astype("<i2").astype(np.float32) / 2**15
    assert again[0]["input"] == str(tmp_path / "8k.wav")
    assert list(again[0]["scores"].values()) == pytest.approx(
        np.asarray(model(x[None, :, None]))[0], abs=1e-5
    )


def test_folders_and_forms_of_answers(bundle: Built, tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.WAV", tone(HIGH, 0.1))
    record(tmp_path / "in" / "b.wave", tone(LOW, 0.2))
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    rows = list(csv.reader(io.StringIO(run_py(bundle.bundle, "--csv", "--top", 2, tmp_path / "in").stdout)))
    assert rows[0] == ["input", "label", "confidence", "label_2", "confidence_2"]
    assert [(Path(row[0]).name, row[1], row[3]) for row in rows[1:]] == [
        ("a.WAV", "high", "low"), ("b.wave@0.00s", "low", "high"), ("b.wave@0.10s", "low", "high")
    ]  # fmt: skip
    said = run_py(bundle.bundle, tmp_path / "in" / "a.WAV").stdout
    assert said.startswith(f"{tmp_path}/in/a.WAV: high (")


def test_what_is_no_wav_is_called_by_its_name(bundle: Built, tmp_path: Path) -> None:
    contents = {
        "a.mp3": b"ID3\x03",
        "b.png": b"\x89PNG\r\n\x1a\n",
        "empty.wav": b"",
        "cut.wav": b"RIFF\0\0\0\0WAVE",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    good = record(tmp_path / "good.wav", tone(HIGH, 0.1))
    law = bytearray(good.read_bytes())
    law[20] = 7
    (tmp_path / "law.wav").write_bytes(law)
    done = run_py(
        bundle.bundle, "--json", *(tmp_path / name for name in contents), tmp_path / "law.wav", good
    )
    assert (done.returncode, told(answers(done.stdout))) == (1, ["high"])
    for part in (
        f"a.mp3: this is not a WAV file. Convert it: ffmpeg -i {tmp_path}/a.mp3 -ac 1 -ar 8000 {tmp_path}/a.wav",
        "b.png: this is a picture; this model takes sounds (WAV).",
        "empty.wav: is empty: there are no samples in it",
        "cut.wav: is cut off before its samples",
        "law.wav: its encoding is not read here: µ-law (tag 7)",
    ):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    camera = run_py(bundle.bundle, "--camera")
    assert (camera.returncode, "this model takes sounds (WAV)" in camera.stderr) == (1, True)


def test_a_watched_folder(bundle: Built, tmp_path: Path) -> None:
    new = tmp_path / "new"
    record(new / "old.wav", tone(LOW, 0.1))
    ready = record(tmp_path / "ready" / "x.wav", tone(HIGH, 0.2))
    with watching(bundle.bundle, new) as watched:
        shutil.copy(ready, new / "x.wav")
        assert [watched.answer(), watched.answer()] == ["x.wav@0.00s", "x.wav@0.10s"]
        assert watched.end(signal.SIGINT) == []


def test_benchmark(bundle: Built) -> None:
    found = json.loads(run_py(bundle.bundle, "--benchmark", "--json", "--threads", 1).stdout)
    assert 0 < found["p50_ms"] < found["load_ms"] < found["cold_start_ms"]
    assert found["variant"] == "fp32"


@pytest.mark.parametrize("name", ["onnx", "keras", "savedmodel"])
def test_other_formats_answer_sounds_too(name: str, model: Any, take: Take, tmp_path: Path) -> None:
    path = saved(model, tmp_path / "m.keras")
    found = built(take, path, LABELS, tmp_path, TARGETS[name], sample_rate=RATE)
    assert found.done["reason"] == "done", found.done
    readme = (found.bundle / "README.md").read_text()
    assert "from sounds import windows\n" in readme
    [said] = answers(run_py(found.bundle, "--json", record(tmp_path / "x.wav", tone(HIGH, 0.1))).stdout)
    assert said["label"] == "high"
    if name == "savedmodel":
        shutil.unpack_archive(found.bundle / "saved_model.zip", found.bundle)  # as README.md says
    program = readme.split("```python\n")[1].split("```")[0].replace("sound.wav", str(tmp_path / "x.wav"))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=found.bundle, capture_output=True, text=True, timeout=120
    )
    assert f"{tmp_path}/x.wav high" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [("browser", "takes pictures and tables, no sounds"), ("raspberry-pi-pico-2", "takes int8")],
)
def test_what_is_not_built_of_them(name: str, said: str, model: Any, take: Take, tmp_path: Path) -> None:
    found = built(take, saved(model, tmp_path / "m.keras"), LABELS, tmp_path, TARGETS[name], sample_rate=RATE)
    assert (found.done["reason"], said in found.done["message"]) == ("refused", True)


def test_what_is_no_model_of_sounds(refused: Callable[..., str], tmp_path: Path) -> None:
    import keras

    def said(*shape: int | None, rate: int | None = RATE) -> str:
        model = keras.Sequential([keras.Input(shape), keras.layers.GlobalMaxPooling1D() if len(shape) == 2 else
                                  keras.layers.Flatten(), keras.layers.Dense(3)])  # fmt: skip
        return refused(saved(model, tmp_path / "m.keras"), sample_rate=rate)

    assert "takes pictures, (8, 8, 3), and came with a sample rate" in said(8, 8, 3)
    assert "the shape (800, 2). With a sample rate" in said(800, 2)
    assert "of at most 192,000" in said(192_001, 1)
    assert "no fixed size: (?, 1). Boards need one: give it, as in keras.Input(shape=(16000,)" in said(
        None, 1
    )
    assert "with their sample rate, of sounds" in said(800, 1, rate=None)
    assert "with their sample rate, of sounds" in said(4_000, 1, rate=None)


def test_the_vectors_are_sounds() -> None:
    found = vectors((500,), sounds=True)
    assert (found.shape, found.dtype) == ((64, 500), np.float32)
    np.testing.assert_array_equal(found, vectors((500,), sounds=True))
    np.testing.assert_array_equal(found, np.round(found * 2**15) / 2**15)
    assert -1 <= found.min() < -0.5 < 0.5 < found.max() < 1
    assert len(np.unique(found, axis=0)) == 64
