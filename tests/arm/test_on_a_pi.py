"""Bundles on emulated Raspberry Pis: what each answers there, and that it notices what is not right."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.arm.conftest import Taken, made
from tests.arm.processors import PI_2, PROCESSORS
from tests.arm.systems import NARROW, NEWEST, USUAL, System

KINDS = ("digits", "wine", "diabetes")
TO_TYPE = """\
    sudo apt-get install -y python3-venv python3-numpy python3-pil
    python3 -m venv --system-site-packages ~/gristmill
    ~/gristmill/bin/python -m pip install 'numpy<2' tflite-runtime
    ~/gristmill/bin/python /run/BUNDLE/run.py --selftest
"""


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def lead(answer: dict[str, Any]) -> float:
    """By how much the winner won."""
    ranked = sorted(answer["scores"].values())
    return float(ranked[-1] - ranked[-2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_pi_computes_as_the_portal_did(system: System, taken: dict[str, Taken], kind: str) -> None:
    done = taken[kind].on_a_pi(system, "--selftest")
    assert done.returncode == 0, done.stdout + done.stderr
    vectors = taken[kind].manifest["selftest"]["vectors"]
    assert vectors == {"digits": 32, "wine": 18, "diabetes": 32}[kind]  # wine's test split has no more
    assert done.stdout.splitlines()[-1] == f"PASS {vectors}/{vectors}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_pi_answers_what_the_portal_answers(system: System, taken: dict[str, Taken], kind: str) -> None:
    ours, manifest = taken[kind], taken[kind].manifest
    here = ours.here("--json", str(ours.asked))
    there = ours.on_a_pi(system, "--json", "/run/ASKED")
    assert (there.returncode, here.returncode) == (0, 0), there.stderr + here.stderr
    assert len(answers(there.stdout)) == {"digits": 64, "wine": 178, "diabetes": 462}[kind]
    limit = manifest["selftest"]["tolerance"][manifest["default_variant"]] + 1e-6  # scores are rounded
    for wanted, got in zip(answers(here.stdout), answers(there.stdout), strict=True):
        assert Path(got["input"]).name == Path(wanted["input"]).name
        if kind == "diabetes":
            assert got["value"] == pytest.approx(wanted["value"], abs=limit)
        else:
            assert got["scores"] == pytest.approx(wanted["scores"], abs=limit)
            assert got["label"] == wanted["label"] or lead(wanted) <= limit, (wanted, got)


@pytest.mark.parametrize("kind", KINDS)
def test_the_larger_model_answers_alike_too(usual: System, taken: dict[str, Taken], kind: str) -> None:
    ours = taken[kind]
    here = answers(ours.here("--json", "--variant", "fp32", str(ours.asked)).stdout)
    there = answers(ours.on_a_pi(usual, "--json", "--variant", "fp32", "/run/ASKED").stdout)
    assert len(there) == len(here) > 0
    limit = ours.manifest["selftest"]["tolerance"]["fp32"] + 1e-6
    for wanted, got in zip(here, there, strict=True):
        if kind == "diabetes":
            assert got["value"] == pytest.approx(wanted["value"], abs=limit)
        else:
            assert got["scores"] == pytest.approx(wanted["scores"], abs=limit)


def test_people_get_a_line_they_can_read(usual: System, taken: dict[str, Taken]) -> None:
    done = taken["digits"].on_a_pi(usual, "/run/ASKED/602.png", "/run/ASKED/none.png")
    assert re.fullmatch(r"/run/ASKED/602\.png: \d \(\d+\.\d%\)\n", done.stdout)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "/run/ASKED/none.png: no such file")
    assert (
        "XNNPACK" in done.stderr
    )  # the arithmetic that a Pi computes with, not a substitute for unknown processors


def test_the_signature_is_checked_without_any_library(system: System, taken: dict[str, Taken]) -> None:
    done = taken["digits"].on_a_pi(system, "--verify", "--key", "/run/KEY.pem")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK: the signature is valid")


@pytest.mark.parametrize("system", [USUAL, NEWEST], indirect=True, ids=str)
def test_openssl_checks_it_as_the_readme_says(system: System, taken: dict[str, Taken]) -> None:
    ours = taken["digits"]
    (line,) = [
        line for line in (ours.home / "README.md").read_text().splitlines() if line.startswith("    openssl")
    ]
    words = [f"/run/BUNDLE/{word}" if word.startswith("manifest") else word for word in line.split()]
    argv = ["/usr/bin/openssl", *("/run/KEY.pem" if word == "KEY.pem" else word for word in words[1:])]
    shown = {"/run/BUNDLE": ours.home, "/run/KEY.pem": ours.key}
    done = system.run(argv, processor=PROCESSORS["raspberry-pi-4"], shown=shown)
    assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully"), done.stderr


def test_the_latency_is_told(usual: System, taken: dict[str, Taken]) -> None:
    """Told, not judged: an emulator's times say nothing of a board's."""
    done = taken["digits"].on_a_pi(usual, "--benchmark", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["machine"], found["runs"] > 0) == ("aarch64", True)
    assert found["cold_start_ms"] is None  # an emulated program can't start another here


@pytest.fixture
def copy(taken: dict[str, Taken], tmp_path: Path) -> Taken:
    """A bundle that may be spoiled."""
    shutil.copytree(taken["digits"].home, tmp_path / "copy")
    copied = replace(taken["digits"], home=tmp_path / "copy")
    assert copied.manifest, "read before it is spoiled"
    return copied


def spoil(path: Path) -> None:
    """Another bit in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_model_is_not_run(usual: System, copy: Taken) -> None:
    manifest = copy.manifest
    spoil(copy.home / manifest["variants"][manifest["default_variant"]]["file"])
    for args in (["/run/ASKED"], ["--selftest"], ["--verify", "--key", "/run/KEY.pem"]):
        done = copy.on_a_pi(usual, *args)
        assert (done.returncode, done.stdout) == (1, "")
        assert "is damaged" in done.stderr or "is NOT the file that was signed" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["labels.json", "inputs.py", "manifest.json", "manifest.sig"])
def test_a_changed_bundle_is_not_genuine(usual: System, copy: Taken, name: str) -> None:
    spoil(copy.home / name)
    done = copy.on_a_pi(usual, "--verify", "--key", "/run/KEY.pem")
    assert done.returncode == 1
    assert "NOT" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_is_a_pi_and_nobody_in_particular(usual: System, taken: dict[str, Taken]) -> None:
    """The tests above say something only if this is no x86-64 in disguise."""
    says = "import os, platform; print(platform.machine(), os.getuid(), os.access('/usr', os.W_OK))"
    done = usual.run(["/usr/bin/python3", "-c", says], processor=PROCESSORS["raspberry-pi-4"])
    assert done.stdout.split() == ["aarch64", "1000", "False"]


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        (
            "/usr/lib/arm-linux-gnueabihf/blas",
            "numpy is installed, but cannot be loaded: libblas.so.3: cannot open",
        ),
        (
            "/usr/local/lib/python3.11/dist-packages",
            TO_TYPE,
        ),
    ],
)
def test_what_a_board_lacks_is_named(
    taken: dict[str, Taken], tmp_path: Path, gone: str, sentence: str
) -> None:
    shown = {"/run/BUNDLE": taken["wine"].home, gone: tmp_path}
    argv = ["/usr/bin/python3", "/run/BUNDLE/run.py", "--selftest"]
    done = made(NARROW).run(argv, processor=PI_2, shown=shown)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
