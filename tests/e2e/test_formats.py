"""One model for a Raspberry Pi, a microcontroller, the browser and to go on with elsewhere: ordered from a running
portal, built in its sandbox, and each bundle run as it comes home.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from hardware.targets.registry import TARGETS
from tests.boards.cores import CORES, missing
from tests.e2e.portal import Scripter, digits_zip
from tests.export.browsers import CHROMIUM, Watched, start
from tests.export.test_formats import program_of, run_program

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # one training and six builds
FORMATS = ("onnx", "keras", "savedmodel")
BOARD, MICRO, BROWSER = "raspberry-pi-4", "arduino-nano-33-ble-sense", "browser"
EVERY = (BOARD, MICRO, BROWSER, *FORMATS)
PASSED = "furthest off: 0 millionths\nPASS 32/32\n"
BUILD_S = 300


@dataclass(frozen=True)
class Home:
    """A bundle as the API tells of it, unpacked; the portal's key lies beside it."""

    told: dict[str, Any]
    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return found

    def run_py(self, *args: object) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-I", str(self.folder / "run.py"), *map(str, args)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def homes(ada: Scripter, digits: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    """Digits are trained for a board; once there is a model, all else is ordered."""
    params = {"epochs": 6, "early_stop": False}
    body = {"recipe": "image-classifier", "dataset": digits, "targets": [BOARD], "params": params}
    job = ada.ended(ada.post("/jobs", body), 300)
    assert job["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    asked = [ada.post("/bundles", {"model": job["model"], "target": name})["id"] for name in EVERY[1:]]
    found = [_ready(ada, bundle) for bundle in [*job["bundles"], *asked]]
    folder = tmp_path_factory.mktemp("homes")
    (folder / "key.pem").write_text(ada.http.get("/signing-key").text)
    return {told["target"]: Home(told, _taken(ada, told, folder / told["target"])) for told in found}


def _ready(ada: Scripter, bundle: str) -> dict[str, Any]:
    told: dict[str, Any] = ada.wait(f"/bundles/{bundle}", lambda row: row["state"] != "building", BUILD_S)
    assert told["state"] == "ready", (told["reason"], ada.trail(f"/jobs/{told['job']}"))
    return told


def _taken(ada: Scripter, told: dict[str, Any], folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(ada.http.get(told["download"]).content)) as archive:
        archive.extractall(folder)
    return next(folder.iterdir())


def seven(path: Path) -> Path:
    """A picture of one."""
    with zipfile.ZipFile(io.BytesIO(digits_zip(8))) as upload:
        path.write_bytes(upload.read("digits/7/7.png"))
    return path


def said_by_run_py(home: Home, picture: Path) -> dict[str, Any]:
    done = home.run_py("--json", picture)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", EVERY)
def test_it_is_signed_and_answers_as_the_portal_did(homes: dict[str, Home], name: str) -> None:
    home = homes[name]
    done = home.run_py("--verify", "--key", home.folder.parents[1] / "key.pem")
    assert done.returncode == 0, done.stderr
    assert home.run_py("--selftest").stdout.splitlines()[-1] == "PASS 32/32"


@pytest.mark.parametrize("name", FORMATS)
def test_the_program_of_its_readme_answers_a_picture(homes: dict[str, Home], name: str) -> None:
    home = homes[name]
    picture = seven(home.folder / "picture.jpg")
    if name == "savedmodel":
        unpack = [sys.executable, "-m", "zipfile", "-e", "saved_model.zip", "."]
        subprocess.run(unpack, cwd=home.folder, check=True)
    label, sure = run_program(home.folder, program_of(home.folder)).split()
    ours = said_by_run_py(home, picture)
    assert label == ours["label"]
    assert float(sure) == pytest.approx(ours["confidence"], abs=0.05)  # run.py of two of them runs int8


def test_all_of_them_answer_alike(homes: dict[str, Home], tmp_path: Path) -> None:
    picture = seven(tmp_path / "seven.png")
    assert {said_by_run_py(home, picture)["label"] for home in homes.values()} == {"7"}


@pytest.fixture
def project(homes: dict[str, Home], tmp_path: Path) -> Path:
    """The microcontroller's folder, copied: what is compiled stays out of it."""
    return shutil.copytree(homes[MICRO].folder, tmp_path / "project")


def test_the_c_for_a_microcontroller_is_compiled_and_run_here(project: Path) -> None:
    argv = ["make", "-C", str(project), "plain", "example", "FLAGS=-Wextra -Werror -pedantic"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([project / "selftest_plain.elf"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, PASSED)
    said = subprocess.run([project / "example.elf"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"\d: \d+ of 1000\n", said)


@pytest.mark.skipif(bool(missing()), reason="the cross compiler and QEMU come with `make test-micro`")
def test_it_runs_on_its_own_core_where_that_is_emulated(project: Path) -> None:
    core = next(each for each in CORES if each.name.rstrip("f") == TARGETS[MICRO].core)
    done = core.run(core.built(project))
    assert (done.returncode, done.stdout) == (0, PASSED), done.stderr


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_the_page_for_a_browser_runs_from_the_disk(homes: dict[str, Home], tmp_path: Path) -> None:
    picture = seven(tmp_path / "seven.png")
    ours = said_by_run_py(homes[BROWSER], picture)
    with sync_playwright() as playwright:
        watched = Watched(start(playwright))
        watched.page.goto((homes[BROWSER].folder / "index.html").as_uri())
        line = watched.page.wait_for_selector("#selftest[data-passed]")
        assert line.get_attribute("data-passed") == "32/32"
        watched.page.set_input_files("[data-part=file]", picture)
        answer = watched.answer("answer")
    assert answer["label"] == ours["label"]
    assert json.loads(answer["scores"]) == pytest.approx(list(ours["scores"].values()), abs=8 / 256)
    assert watched.said == []
    assert [url for url in watched.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_its_own_file_was_measured_on_the_whole_test_split(homes: dict[str, Home], ada: Scripter) -> None:
    whole = ada.get(f"/models/{homes['keras'].told['model']}")["metrics"]["test"]["accuracy"]
    for name in FORMATS:
        found = homes[name].manifest
        about = found["variants"]["onnx"] if name == "onnx" else found["formats"][name]
        assert about["accuracy"] == pytest.approx(whole, abs=1e-4)
        assert about["samples"] == homes[BOARD].told["metrics"]["samples"]
        assert (homes[name].folder / about["file"]).stat().st_size == about["model_bytes"]
        assert homes[name].told["metrics"]["variant"] == name
        assert homes[name].told["metrics"]["ram_bytes"] is None


def test_the_memory_of_a_board_s_program_is_measured_in_the_sandbox(homes: dict[str, Home]) -> None:
    metrics = homes[BOARD].told["metrics"]
    assert 20_000_000 < metrics["ram_measured_bytes"] < metrics["ram_bytes"] < TARGETS[BOARD].ram_free_bytes
