"""The main job from end to end through the REST API, on real handwritten digits: what `make demo` shows.

The digits are scikit-learn's copy of the UCI set "Optical Recognition of Handwritten Digits" (1,797 pictures of 8×8).
"""

import io
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from portal.kit.errors import UserError

HELD_OUT = 300
GOAL = 0.97
TARGET = "raspberry-pi-4"
WAIT_S = 900
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Demo:
    """One run against the portal at `address`, as the member whose token it is. `say` prints a line."""

    address: str
    token: str
    say: Callable[[str], None]
    accuracy: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Token {self.token}"}
        self.client = httpx.Client(base_url=f"{self.address}/api/v1", headers=headers, timeout=60)

    def run(self) -> bool:
        """Every step, each with its time; whether the accuracy reached the goal."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with self.step("write 1,797 real handwritten digits as an image-folder zip"):
                archive, held_out = write_digits(folder)
            with self.step("upload it and have it checked"):
                dataset = self.upload(archive)
            with self.step("train an image classifier"):
                job = self.train(dataset)
            with self.step(f"build the bundle for {TARGET}"):
                bundle = self.bundle(job)
            with self.step("download it and check its signature"):
                home = self.download(bundle, folder)
            with self.step("run its self-test"):
                self.self_test(home)
            with self.step(f"run its run.py on {len(held_out)} pictures it never saw"):
                right = self.predict(home, held_out)
        return self.conclude(job, bundle, right / len(held_out))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.say(f"{time.monotonic() - started:7.1f} s  {title}")

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; UserError with the portal's own words when it refuses."""
        answer = self.client.request(method, path, **options)
        if answer.is_error:
            raise UserError("demo_failed", f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def wait(self, path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask until `done`; UserError after a quarter of an hour."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            found: dict[str, Any] = self.call("GET", path)
            if done(found):
                return found
            time.sleep(0.25)
        raise UserError("demo_failed", f"{path} did not end within {WAIT_S} s")

    def upload(self, archive: Path) -> str:
        name = f"Handwritten digits {time.strftime('%H:%M:%S')}"
        body = {"name": name, "task": "image-classification"}
        dataset: str = self.call("POST", "/datasets", json=body)["id"]
        with archive.open("rb") as file:
            files = {"file": (archive.name, file, "application/zip")}
            number = self.call("POST", f"/datasets/{dataset}/versions", files=files)["number"]
        path = f"/datasets/{dataset}/versions/{number}"
        version = self.wait(path, lambda v: v["state"] != "validating")
        if version["state"] != "ready":
            raise UserError("demo_failed", version["reason"])
        return dataset

    def train(self, dataset: str) -> dict[str, Any]:
        body = {"kind": "train", "recipe": "image-classifier", "dataset": dataset, "targets": [TARGET]}
        job = self.call("POST", "/jobs", json={**body, "name": "Digits for my Pi"})
        job = self.wait(f"/jobs/{job['id']}", lambda j: j["status"] in ENDED)
        if job["status"] != "succeeded":
            raise UserError("demo_failed", f"Training {job['status']}: {job['message']}")
        return dict(job)

    def bundle(self, job: dict[str, Any]) -> dict[str, Any]:
        wanted = self.call("POST", "/bundles", json={"model": job["model"], "target": TARGET})
        bundle = self.wait(f"/bundles/{wanted['id']}", lambda b: b["state"] != "building")
        if bundle["state"] != "ready":
            raise UserError("demo_failed", f"The bundle is {bundle['state']}: {bundle['reason']}")
        return bundle

    def download(self, bundle: dict[str, Any], folder: Path) -> Path:
        """Unpack the bundle; verified with the portal's public key, as a Pi would."""
        answer = self.client.get(bundle["download"])
        answer.raise_for_status()
        key = folder / "signing-key.pem"
        key.write_text(self.client.get("/signing-key").text, encoding="ascii")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            packed.extractall(folder / "pi")
        home = next((folder / "pi").iterdir())
        self._runner(home, "--verify", "--key", str(key))
        return home

    def self_test(self, home: Path) -> None:
        last = self._runner(home, "--selftest").strip().splitlines()[-1]
        if not last.startswith("PASS"):
            raise UserError("demo_failed", f"The bundle's self-test says: {last}")

    def predict(self, home: Path, pictures: dict[Path, str]) -> int:
        """How many pictures the bundle's own program names rightly."""
        lines = self._runner(home, *map(str, pictures), "--json").splitlines()
        answers = [json.loads(line) for line in lines]
        return sum(pictures[Path(answer["input"])] == answer["label"] for answer in answers)

    def _runner(self, home: Path, *arguments: str) -> str:
        """What the bundle's run.py prints, run by itself as on a Pi: nothing of the portal is on its path."""
        done = subprocess.run(
            [sys.executable, "-I", str(home / "run.py"), *arguments],
            capture_output=True, text=True, timeout=WAIT_S, check=False, cwd=home,
        )  # fmt: skip
        if done.returncode:
            raise UserError("demo_failed", f"run.py {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def conclude(self, job: dict[str, Any], bundle: dict[str, Any], accuracy: float) -> bool:
        model = self.call("GET", f"/models/{job['model']}")
        metrics = bundle["metrics"]
        self.say("")
        self.say(f"  test split, Keras model:      accuracy {model['metrics']['test']['accuracy']:.4f}")
        self.say(f"  test split, exported fp32:    accuracy {metrics['float_accuracy']:.4f}")
        size = f"{metrics['model_bytes']:,} bytes"
        self.say(f"  test split, exported int8:    accuracy {metrics['accuracy']:.4f}, {size}")
        self.say(f"  held-out pictures, run.py:    accuracy {accuracy:.4f} (goal {GOAL})")
        return accuracy >= GOAL


def write_digits(folder: Path) -> tuple[Path, dict[Path, str]]:
    """The digits as a zip with a folder per class, less HELD_OUT that are kept as files: (zip, file → label)."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    held_out: dict[Path, str] = {}
    archive = folder / "digits.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for rank, number in enumerate(order):
            label = str(digits.target[number])
            picture = io.BytesIO()
            Image.fromarray((digits.images[number] * 255 / 16).round().astype(np.uint8)).save(picture, "PNG")
            if rank < HELD_OUT:
                file = folder / f"held-out-{number}.png"
                file.write_bytes(picture.getvalue())
                held_out[file] = label
            else:
                packed.writestr(f"digits/{label}/{number}.png", picture.getvalue())
    return archive, held_out
