"""From an upload to the bundles of its model, through a whole portal, as any member gets them."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bundles.sets import DataSet
from tests.e2e.portal import Scripter

PI, BOARD = "raspberry-pi-4", "raspberry-pi-pico-2"


@dataclass(frozen=True)
class Taken:
    """What a member has in the end. `bundles` are the API's, by target; `home` is the Pi's bundle, unpacked; `asked` a
    folder with one file to ask about.
    """

    data: DataSet
    model: dict[str, Any]
    bundles: dict[str, dict[str, Any]]
    manifest: dict[str, Any]
    home: Path
    upload: Path
    keras: Path
    asked: Path

    @property
    def question(self) -> Path:
        return next(self.asked.iterdir())


def take(member: Scripter, data: DataSet, source: Path, folder: Path) -> Taken:
    """Train with the recipe's defaults but for the epochs, build for both targets, download. `source` has the data."""
    content = data.content(source)
    dataset = member.dataset(data.title, data.task, data.file, content, **data.more)
    body = {
        "recipe": data.recipe, "dataset": dataset, "targets": [PI, BOARD], "params": {"epochs": data.epochs},
    }  # fmt: skip
    job = member.ended(member.post("/jobs", body), 900)
    assert job["status"] == "succeeded", member.trail(f"/jobs/{job['id']}")
    bundles = [
        member.wait(f"/bundles/{each}", lambda row: row["state"] != "building", 300)
        for each in job["bundles"]
    ]
    assert all(each["state"] == "ready" for each in bundles), bundles
    named = {each["target"]: each for each in bundles}
    model = member.get(f"/models/{job['model']}")
    home = _unpacked(member.http.get(named[PI]["download"]).content, folder / "home")
    name, asked = data.asked(content)
    return Taken(
        data,
        model,
        named,
        json.loads((home / "manifest.json").read_text(encoding="utf-8")),
        home,
        _put(folder / "upload" / data.file, content),
        _put(folder / "model.keras", member.http.get(model["keras"]).content),
        _put(folder / "asked" / name, asked).parent,
    )


def _unpacked(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
