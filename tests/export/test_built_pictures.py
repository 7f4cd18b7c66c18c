"""A picture model's bundle, as a board sees it."""

import gzip
import json
import re
import shutil
import zipfile
from html import escape
from pathlib import Path

import numpy as np
import pytest

from jobs.bundles.sealing import seal
from jobs.bundles.signing import new_key, public_pem
from jobs.engine.export.measure import Runner
from tests.export.conftest import HOSTILE, Built, run_py
from tests.export.test_refusals import rebuilt

pytestmark = pytest.mark.train
FILES = {
    "model.tflite",
    "model_fp32.tflite",
    "labels.json",
    "run.py",
    "inputs.py",
    "verify.py",
    "checks.py",
    "live.py",
    "trouble.py",
    "selftest.npz",
    "report.html",
    "README.md",
}


def answers(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def pictures(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """The test split's files, unpacked, with their labels."""
    index = json.loads(gzip.decompress((digits.home / "data" / "index.json.gz").read_bytes()))
    folder, found = tmp_path_factory.mktemp("pictures"), []
    with zipfile.ZipFile(digits.home / "data" / "upload") as archive:
        for sample in (sample for sample in index["samples"] if sample["split"] == "test"):
            name = next(name for name in archive.namelist() if name.endswith(Path(sample["name"]).name))
            path = folder / Path(sample["name"]).name
            path.write_bytes(archive.read(name))
            found.append((path, index["labels"][sample["label"]]))
    return found


def test_the_folder_holds_what_the_manifest_says(digits: Built) -> None:
    manifest = digits.manifest
    assert set(manifest["files"]) == FILES
    assert {path.name for path in digits.bundle.iterdir()} == FILES | {"manifest.json"}
    assert manifest["provenance"]["code_version"] == "c0ffee"
    assert manifest["input"]["shape"] == [1, 8, 8, 1]
    assert json.loads((digits.bundle / "labels.json").read_text()) == manifest["labels"]


def test_int8_is_int8_inside_and_about_as_good(digits: Built) -> None:
    int8, fp32 = digits.manifest["variants"]["int8"], digits.manifest["variants"]["fp32"]
    assert {"QUANTIZE", "DEQUANTIZE", "CONV_2D"} <= set(int8["operators"])
    assert "QUANTIZE" not in fp32["operators"]
    assert int8["model_bytes"] < fp32["model_bytes"]
    assert fp32["accuracy"] > 0.85
    assert abs(int8["accuracy"] - fp32["accuracy"]) <= 0.03
    assert digits.done["reason"] == "done"
    assert digits.done["summary"]["float_accuracy"] == fp32["accuracy"]


def test_the_board_says_what_the_portal_measured(digits: Built, pictures: list[tuple[Path, str]]) -> None:
    done = run_py(digits.bundle, "--json", *(path for path, _ in pictures))
    assert done.returncode == 0, done.stderr
    said = answers(done.stdout)
    assert [line["input"] for line in said] == [str(path) for path, _ in pictures]
    right = sum(line["label"] == label for line, (_, label) in zip(said, pictures, strict=True))
    manifest = digits.manifest
    assert right / len(said) == pytest.approx(manifest["variants"][manifest["default_variant"]]["accuracy"])
    assert set(said[0]["scores"]) == set(manifest["labels"])
    assert said[0]["confidence"] == max(said[0]["scores"].values())


def test_answers_for_people_and_for_a_folder(digits: Built, pictures: list[tuple[Path, str]]) -> None:
    done = run_py(digits.bundle, pictures[0][0].parent, "--variant", "fp32", "--threads", 1)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(pictures)
    assert re.search(r"\.png: .* \(\d+\.\d%\)$", done.stdout.splitlines()[0])


def test_what_cannot_be_read_is_named_and_the_rest_answered(
    digits: Built, pictures: list[tuple[Path, str]], tmp_path: Path
) -> None:
    (tmp_path / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    done = run_py(digits.bundle, "--json", tmp_path / "gone.png", tmp_path / "no.png", pictures[0][0])
    assert done.returncode == 1
    assert len(answers(done.stdout)) == 1
    assert "gone.png: no such file" in done.stderr
    assert "no.png: not a picture" in done.stderr
    assert "Traceback" not in done.stderr


def test_selftest_passes_here_and_fails_for_another_model(digits: Built, tmp_path: Path) -> None:
    done = run_py(digits.bundle, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 32/32")
    other = shutil.copytree(digits.bundle, tmp_path / "other")
    with np.load(other / "selftest.npz") as stored:
        data = {name: stored[name] for name in stored.files}
    data["int8"] = np.roll(data["int8"], 1, axis=1)
    np.savez(other / "selftest.npz", **data)
    done = run_py(other, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "FAIL 0/32")
    assert "int8, vector 0: off by" in done.stdout


def test_vectors_are_clear_and_of_all_classes(digits: Built) -> None:
    limits = digits.manifest["selftest"]["tolerance"]
    assert limits == {"int8": pytest.approx(8 / 256), "fp32": pytest.approx(1e-4)}
    with np.load(digits.bundle / "selftest.npz") as stored:
        ranked = np.sort(stored["int8"], axis=1)
        assert (ranked[:, -1] - ranked[:, -2] > limits["int8"]).all()
        assert len(set(stored["int8"].argmax(axis=1))) == 10
        again = Runner((digits.bundle / "model.tflite").read_bytes(), reference=True)(stored["inputs"])
        assert np.abs(again - stored["int8"]).max() <= limits["int8"]


def test_a_damaged_model_does_not_answer(digits: Built, tmp_path: Path) -> None:
    copy = shutil.copytree(digits.bundle, tmp_path / "copy")
    content = bytearray((copy / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.tflite").write_bytes(content)
    done = run_py(copy, "x.png")
    assert done.returncode == 1
    assert "model.tflite is damaged" in done.stderr


@pytest.fixture(scope="session")
def sealed(digits: Built, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked zip, and its key."""
    home, key = tmp_path_factory.mktemp("sealed"), new_key()
    (home / "key.pem").write_text(public_pem(key))
    seal(digits.bundle, key, home / "bundle.zip", "digits-raspberry-pi-4")
    with zipfile.ZipFile(home / "bundle.zip") as archive:
        archive.extractall(home)
    return home / "digits-raspberry-pi-4", home / "key.pem"


# -S hides every installed package, cryptography among them.
@pytest.mark.parametrize("python", [("-I",), ("-I", "-S")], ids=["cryptography", "standard library"])
class TestVerify:
    def test_a_genuine_bundle(self, sealed: tuple[Path, Path], python: tuple[str, ...]) -> None:
        folder, key = sealed
        done = run_py(folder, "--verify", "--key", key, python=python)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"OK: the signature is valid and all {len(FILES)} files")

    @pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "model.tflite", "run.py"])
    def test_tampering(
        self, sealed: tuple[Path, Path], python: tuple[str, ...], name: str, tmp_path: Path
    ) -> None:
        folder, key = shutil.copytree(sealed[0], tmp_path / "copy"), sealed[1]
        content = bytearray((folder / name).read_bytes())
        content[-2] ^= 1 if name == "manifest.sig" else 0
        (folder / name).write_bytes(content if name == "manifest.sig" else content + b"\n")
        done = run_py(folder, "--verify", "--key", key, python=python)
        assert done.returncode == 1
        assert " NOT " in done.stderr

    def test_another_key(self, sealed: tuple[Path, Path], python: tuple[str, ...], tmp_path: Path) -> None:
        (tmp_path / "other.pem").write_text(public_pem(new_key()))
        done = run_py(sealed[0], "--verify", "--key", tmp_path / "other.pem", python=python)
        assert done.returncode == 1
        assert "NOT valid" in done.stderr

    def test_no_key(self, sealed: tuple[Path, Path], python: tuple[str, ...]) -> None:
        done = run_py(sealed[0], "--verify", python=python)
        assert done.returncode == 2  # not checked, which is no verdict
        assert "needs --key" in done.stderr


def test_the_report_escapes_and_needs_nothing(digits: Built) -> None:
    page = (digits.bundle / "report.html").read_text()
    assert "made by Gristmill on 2026-03-01 at 22:59 UTC." in page
    assert "<script" not in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:image/png)", page)
    assert "Confusion matrix" in page
    assert "<polyline" in page
    assert "data:image/png;base64," in page
    assert HOSTILE not in (digits.bundle / "README.md").read_text()


def test_the_report_tells_the_surest_mistakes_of_every_class(digits: Built, tmp_path: Path) -> None:
    """Also of a class that is less sure of its mistakes than the two dozen that are surest of all."""
    from jobs.engine.explain.choosing import confident_mistakes  # loads Keras

    labels = digits.manifest["labels"]
    y = np.array([0] * 30 + [1] * 4)
    output = np.full((34, 10), 0.001, np.float32)
    output[:, 2] = [0.99] * 30 + [0.41, 0.44, 0.43, 0.42]
    names = [f"{'loud' if label == 0 else 'quiet'}-{number}.png" for number, label in enumerate(y)]
    report = json.loads(Path(digits.task["report"]).read_text())
    report["explanations"] = [confident_mistakes(output, y, labels, names)]
    (tmp_path / "report.json").write_text(json.dumps(report))
    found = rebuilt(digits, tmp_path, report=str(tmp_path / "report.json"))
    page = (found.bundle / "report.html").read_text()
    [section] = re.findall(r"class by class</h3>.*?</table>", page)
    said = f"said {escape(labels[2])}"
    quiet = f"quiet-31.png: {said} (44%)<br>quiet-32.png: {said} (43%)<br>quiet-33.png: {said} (42%)</td>"
    assert quiet in section
    assert f'<tr><th scope="row">{escape(labels[1])}</th><td>4 of 4</td>' in section
    assert HOSTILE not in page


def test_the_report_tells_what_was_made_smaller_and_why(digits: Built, tmp_path: Path) -> None:
    report = json.loads(Path(digits.task["report"]).read_text())
    board = {
        "ram_bytes": 100 << 10,
        "ram_free_bytes": 160 << 10,
        "model_bytes": 30 << 20,
        "flash_bytes": 64 << 20,
    }
    report["fit"] = {
        "asked": {"width": 64}, "chosen": {"width": 24}, "sentence": "To fit an <i>oven</i>, width 64 became 24.",
        "limits": ["It needs 900 KiB & an <i>oven</i> has 160"], "targets": [{"target": "<i>oven</i>", **board}],
    }  # fmt: skip
    (tmp_path / "report.json").write_text(json.dumps(report))
    page = (
        rebuilt(digits, tmp_path, report=str(tmp_path / "report.json")).bundle / "report.html"
    ).read_text()
    assert "<h2>Made to fit</h2><p>To fit an &lt;i&gt;oven&lt;/i&gt;, width 64 became 24.</p>" in page
    assert "It needs 900 KiB &amp; an &lt;i&gt;oven&lt;/i&gt; has 160." in page
    assert "<td>100 KiB of 160 KiB</td><td>30 MiB of 64 MiB</td>" in page
    assert "<i>" not in page
    assert "Made to fit" not in (digits.bundle / "report.html").read_text()


STRAY = ("argparse", "functools", "hashlib", "json", "numpy", "pathlib", "signal", "typing", "zipfile")


def test_a_stray_module_beside_run_py_is_not_imported(digits: Built, tmp_path: Path) -> None:
    copy = shutil.copytree(digits.bundle, tmp_path / "copy")
    for name in STRAY:
        (copy / f"{name}.py").write_text(f"raise SystemExit('{name} of a stranger')")
    done = run_py(copy, "--selftest", python=())
    assert done.returncode == 0, done.stderr
