"""What the READMEs of these bundles say of inputs: how a file becomes one, by `inputs.py` or `sounds.py` beside it."""

from importlib import metadata

from jobs.engine.export.kinds import Build

_EXAMPLE = """\
A program that answers as this portal did, when it is run in this folder:

```python
import json
from pathlib import Path

import {module}
from {file} import {reader}

manifest = json.loads(Path("manifest.json").read_text())
{load}
{each}
```"""
_PICTURE = """\
x = picture(Path("picture.jpg"), manifest["input"])
y = {call}
print({shown})"""
_ROWS = """\
for name, x in rows(Path("table.csv"), manifest["input"]):
    y = {call}
    print(name, {shown})"""

_SOUND = """\
for name, x, start_s in windows(Path("sound.wav"), manifest["input"]):
    y = {call}
    print(name, {shown})"""
# By the kind of data: the bundle's file, its function, and how that is used.
_READERS = {
    "images": ("inputs", "picture", _PICTURE),
    "table": ("inputs", "rows", _ROWS),
    "sounds": ("sounds", "windows", _SOUND),
}


def example(build: Build, module: str, load: str, call: str) -> str:
    """Markdown. `call` is an expression for the outputs (1, outputs) of `x`, by `module`, after the line `load`."""
    shown = 'manifest["labels"][y[0].argmax()], y[0].max()' if build.arrays.labels else "y[0, 0]"
    file, reader, each = _READERS[build.arrays.kind]
    return _EXAMPLE.format(
        module=module, file=file, reader=reader, load=load, each=each.format(call=call, shown=shown)
    )


def tensorflow() -> str:
    """What pip is asked for: that version which wrote these files."""
    for name in ("tensorflow", "tensorflow-cpu"):
        try:
            return f"tensorflow=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return "tensorflow"
