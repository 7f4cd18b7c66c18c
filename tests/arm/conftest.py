"""Bundles as a member takes them home, and the boards' systems to run them on."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_wine

from tests.arm.processors import PI_2, PROCESSORS
from tests.arm.systems import NARROW, NEWEST, OLDEST, USUAL, CannotMakeError, System
from tests.e2e.portal import Portal, Scripter, digits_zip

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They need Debian's archive and root: `make test-arm` asks for them by their marker, nothing else runs them."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("arm")
        item.add_marker(pytest.mark.timeout(1200))
    if "arm" not in config.option.markexpr:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@dataclass(frozen=True)
class Taken:
    """A bundle unpacked at home, a folder with what it is asked about, and the portal's public key."""

    home: Path
    asked: Path
    key: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """As it came: what is done to the file later doesn't change for which board it was made."""
        found: dict[str, Any] = json.loads((self.home / "manifest.json").read_text())
        return found

    def on_a_pi(self, system: System, *args: str) -> "subprocess.CompletedProcess[str]":
        """The bundle's program, emulated. The three are called BUNDLE, ASKED and KEY.pem there, in /run."""
        processor = PI_2 if system == NARROW else PROCESSORS[self.manifest["target"]["name"]]
        shown = {"/run/BUNDLE": self.home, "/run/ASKED": self.asked, "/run/KEY.pem": self.key}
        return system.run(["/usr/bin/python3", "/run/BUNDLE/run.py", *args], processor=processor, shown=shown)

    def here(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """The same on this machine, by the portal's own runtime."""
        argv = [sys.executable, "-I", str(self.home / "run.py"), *args]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session", params=[USUAL, OLDEST, NEWEST, NARROW], ids=str)
def system(request: pytest.FixtureRequest) -> System:
    return made(request.param)


@pytest.fixture(scope="session")
def usual() -> System:
    return made(USUAL)


def made(system: System) -> System:
    try:
        return system.ready()
    except CannotMakeError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Taken]:
    """One bundle of each kind, trained, built, signed and downloaded from a whole portal."""
    folder = tmp_path_factory.mktemp("taken")
    portal = Portal(folder / "home")
    portal.start()
    try:
        ada = portal.member("ada")
        (folder / "key.pem").write_text(ada.http.get("/signing-key").text)
        jobs = {"digits": digits(ada), "wine": wine(ada), "diabetes": diabetes(ada)}
        homes = {name: take_home(ada, job, folder / name) for name, job in jobs.items()}
    finally:
        portal.stop()
    asked = {"digits": pictures(folder), "wine": wine_csv(folder), "diabetes": diabetes_csv(folder)}
    return {name: Taken(home, asked[name], folder / "key.pem") for name, home in homes.items()}


def digits(ada: Scripter) -> Any:
    dataset = ada.dataset("Digits", "image-classification", "digits.zip", digits_zip())
    return submit(ada, "image-classifier", dataset, "raspberry-pi-4", params={"epochs": 12})


def wine(ada: Scripter) -> Any:
    found = load_wine()
    labels = [f"cultivar {number}" for number in found.target]
    text = table(found.feature_names, found.data, "cultivar", labels)
    dataset = ada.dataset("Wine", "table-classification", "wine.csv", text, label_column="cultivar")
    return submit(ada, "table-classifier", dataset, "raspberry-pi-zero-2-w")


def diabetes(ada: Scripter) -> Any:
    found = load_diabetes(scaled=False)
    text = table(found.feature_names, found.data, "progression", [str(value) for value in found.target])
    dataset = ada.dataset("Diabetes", "table-regression", "diabetes.csv", text, label_column="progression")
    return submit(ada, "table-regressor", dataset, "raspberry-pi-5")


def submit(ada: Scripter, recipe: str, dataset: str, target: str, **more: Any) -> Any:
    return ada.post("/jobs", {"recipe": recipe, "dataset": dataset, "targets": [target], **more})


def take_home(ada: Scripter, job: dict[str, Any], folder: Path) -> Path:
    """The unpacked bundle that the job came to."""
    ended = ada.ended(job, 300)
    assert ended["status"] == "succeeded", ada.trail(f"/jobs/{job['id']}")
    bundle = ada.wait(f"/bundles/{ended['bundles'][0]}", lambda found: found["state"] != "building")
    assert bundle["state"] == "ready", bundle
    with zipfile.ZipFile(io.BytesIO(ada.http.get(bundle["download"]).content)) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


def table(names: list[str], rows: Any, label: str = "", labels: list[str] | None = None) -> bytes:
    """A CSV as a member's spreadsheet might write it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, label] if labels else names)
    for number, row in enumerate(rows):
        writer.writerow([*row, labels[number]] if labels else row)
    return text.getvalue().encode()


def wine_csv(folder: Path) -> Path:
    found = load_wine()
    return write(folder / "wines" / "wine.csv", table(found.feature_names, found.data))


def diabetes_csv(folder: Path) -> Path:
    """All rows, and some with values missing."""
    found = load_diabetes(scaled=False)
    gaps = [
        ["" if (row + at) % 4 == 0 else value for at, value in enumerate(found.data[row])]
        for row in range(20)
    ]
    return write(folder / "patients" / "diabetes.csv", table(found.feature_names, [*found.data, *gaps]))


def write(path: Path, content: bytes) -> Path:
    """The file's folder, of its own."""
    path.parent.mkdir()
    path.write_bytes(content)
    return path.parent


def pictures(folder: Path) -> Path:
    """Digits that training never saw, in the formats, sizes and colours that cameras make."""
    found = load_digits()
    asked = folder / "pictures"
    asked.mkdir()
    for number in range(600, 664):
        picture = Image.fromarray((found.images[number] * 255 / 16).round().astype(np.uint8))
        if number % 4 == 0:
            picture.convert("RGB").resize((50, 40)).save(asked / f"{number}.jpg", quality=90)
        elif number % 4 == 1:
            picture.convert("RGBA").resize((24, 24)).save(asked / f"{number}.webp", lossless=True)
        else:
            picture.save(asked / f"{number}.png")
    return asked
