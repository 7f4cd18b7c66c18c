#!/usr/bin/env python3
"""Makes this bundle's bitstreams anew from its Verilog, and says whether they are the same bytes.

    python3 -m pip install -r requirements-rebuild.txt
    python3 rebuild.py

Python 3.9 or newer (as new as the packages ask for) and these: open tools, no licence, no board. rebuild.json has the
calls as they were made.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SAID_LINES = 12
STATUSES = "Exit status: 0 the same bytes, 1 others, 2 it could not be found out."


class RebuildError(Exception):
    """Why it could not be found out, in words."""


def other_versions(wanted: dict[str, str]) -> list[str]:
    """A line for each package that is not there as it was."""
    found = []
    for name, version in wanted.items():
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "missing"
        if here != version:
            found.append(f"{name} was {version}, here it is {here}")
    return found


def prepare(folder: Path, said: dict[str, Any]) -> None:
    """The files that the tools read: those of the bundle by the names they had, and the texts of rebuild.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, kept in said["sources"].items():
        if not (HERE / kept).is_file():
            raise RebuildError(f"{kept} is missing; unpack the bundle again.")
        shutil.copyfile(HERE / kept, folder / name)
    for name, text in said["texts"].items():
        (folder / name).write_text(text, encoding="utf-8")


def call(folder: Path, said: dict[str, Any], inside: str, settings: dict[str, str]) -> None:
    """One tool. What is WebAssembly sees the folder as `inside`, another by its own name."""
    place = inside if said["webassembly"] else str(folder)
    options = [each.replace(inside, place) for each in said["options"]]
    env = {**os.environ, **settings, "YOWASP_MOUNT": f"{inside}={folder}"}
    print(f"{said['tool']} …", flush=True)
    began, log = time.monotonic(), folder / said["log"]
    with log.open("ab") as sink:
        done = subprocess.run(
            [sys.executable, *options], env=env, cwd=folder, stdout=sink, stderr=sink, check=False
        )
    if done.returncode or not (folder / said["writes"]).is_file():
        lines = log.read_text("utf-8", "replace").splitlines()[-SAID_LINES:]
        raise RebuildError("\n".join([f"{said['tool']} made no {said['writes']}:", *lines]))
    print(f"    {time.monotonic() - began:.0f} s", flush=True)


def made(folder: Path, said: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a bitstream comes out as it is in the bundle."""
    prepare(folder, said)
    for each in said["calls"]:
        call(folder, each, whole["inside"], whole["settings"])
    found = hashlib.sha256((folder / said["calls"][-1]["writes"]).read_bytes()).hexdigest()
    same: bool = found == said["sha256"]
    print(f"{said['bitstream']}: {'SAME' if same else 'DIFFERENT'} (SHA-256 {found})", flush=True)
    return same


def main() -> int:
    options = argparse.ArgumentParser(
        description="Makes this bundle's bitstreams anew and compares.", epilog=STATUSES
    )
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where what is made stays")
    options.add_argument("--anyway", action="store_true", help="also with tools of other versions")
    given = options.parse_args()
    whole = json.loads((HERE / "rebuild.json").read_text(encoding="utf-8"))
    others = other_versions(whole["versions"])
    if others and not given.anyway:
        raise RebuildError(
            "\n".join(
                [
                    *others,
                    "With other tools the bytes are others. Type:",
                    "",
                    f"    {sys.executable} -m pip install -r requirements-rebuild.txt",
                ]
            )
        )
    with tempfile.TemporaryDirectory() as scratch:
        home = given.keep or Path(scratch)
        same = [made((home / each["bitstream"]).resolve(), each, whole) for each in whole["bitstreams"]]
    return 0 if all(same) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RebuildError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
