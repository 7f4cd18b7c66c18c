"""The bundle's README.md: how to run it at home."""

import shlex
from typing import Any

from hardware.targets.profiles import Kind, Target
from jobs.engine.data import Arrays
from jobs.engine.export import dataless
from jobs.engine.export.compared import in_words

_COLUMNS_NAMED = 40
_PICTURES = """\
    python3 run.py picture.jpg            # one line: the label, and how sure the model is
    python3 run.py --top 3 folder         # every picture in it and in its folders; the three likeliest labels
    python3 run.py --json *.jpg           # one JSON object a line, for programs
    python3 run.py --csv folder > all.csv # for a spreadsheet
    python3 run.py --watch ~/new          # answers each picture that appears there, once, also after a restart
    python3 run.py --camera --interval 5  # answers the camera every 5 seconds, by picamera2 or OpenCV"""
_TABLES = """\
    python3 run.py table.csv              # one line a row; or a folder: every table in it and in its folders
    python3 run.py --json table.csv       # one JSON object a line, for programs
    python3 run.py --csv table.csv        # for a spreadsheet
    python3 run.py --watch ~/new          # answers each table that appears there, once, also after a restart"""
_SOUNDS = """\
    python3 run.py sound.wav              # one line a window: the label, and how sure the model is
    python3 run.py --top 3 folder         # every WAV in it and in its folders; the three likeliest labels
    python3 run.py --json *.wav           # one JSON object a line, for programs
    python3 run.py --csv folder > all.csv # for a spreadsheet
    python3 run.py --watch ~/new          # answers each WAV that appears there, once, also after a restart

A WAV (.wav, .wave) holds PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64. Its channels are averaged, and from
another rate it is brought to {rate_hz} Hz, as `sounds.py` says. The model hears {samples} samples ({seconds:.4g} s) at
once: a longer sound gets an answer for each such window, one behind the other, a rest of less than half a window none;
a shorter one is filled up with silence. Another sound, such as MP3, is converted first:
`ffmpeg -i sound.mp3 -ac 1 -ar {rate_hz} sound.wav`."""
_SERVICE = """\
## From when the board starts

With systemd, typed once in this folder: whatever comes into `~/new` is answered in `~/answers.jsonl`, also what came
while the board was off.

```sh
mkdir -p ~/new ~/.config/systemd/user
cat > ~/.config/systemd/user/gristmill.service <<END
[Unit]
Description=Gristmill answers what comes into $HOME/new

[Service]
ExecStart="$HOME/gristmill/bin/python" "$PWD/run.py" --watch "$HOME/new" --json
StandardOutput=append:$HOME/answers.jsonl
Restart=on-failure
RestartSec=10

[Install]
WantedBy=default.target
END
systemctl --user daemon-reload
systemctl --user enable --now gristmill
sudo loginctl enable-linger "$USER"  # also while nobody is signed in
```

`journalctl --user -u gristmill` shows what it could not read, `systemctl --user stop gristmill` ends it.

"""
_LABELS = """\
A JSON object has {input}, `label`, `confidence` (0 to 1) and `scores`: all labels with theirs, or with
`--top N` the N likeliest, likeliest first."""
_VALUE = "A JSON object has {input} and `value`."
_NAMED = {
    "image": "`input` (the file)",
    "table": "`input` (file:line, the names being line 1)",
    "sound": "`input` (the file, or file@seconds of several windows), `start_s` (seconds to where it\nbegins)",
}
_BENCHMARK = """\
`--benchmark --json` is one object too: `p50_ms`, `p95_ms`, `p99_ms` (milliseconds of an answer, once warm, of `runs`),
`first_ms` (the first one), `load_ms` (LiteRT and the model), `cold_start_ms` (from starting the program to its answer
about a file), `peak_ram_bytes`, and what was measured: `variant`, `threads`, `machine`, `board`, `python`."""
_STATUS = """\
What cannot be read is named on stderr, the rest is answered, and the exit status is then 1. `--watch` keeps what it has
answered in a hidden file in that folder; hidden files and files that are still being written are left alone."""


def readme(manifest: dict[str, Any], target: Target, arrays: Arrays, first: str = "") -> str:
    """Markdown. Names that members gave are kept from becoming markup.

    `first` is what the kind of target has to say before anything else: Markdown with headings of its own.
    """
    packages = [*target.runtime.packages, *(target.runtime.pictures if arrays.kind == "images" else ())]
    title = _plain(manifest["name"]) or "A model"
    before = f"{first.strip()}\n\n" if first else ""
    return f"""\
# {title}

Made by Gristmill for: {target.title}. {target.runtime.note}

{before}## Install, once

    python3 -m venv ~/gristmill
    . ~/gristmill/bin/activate
    python3 -m pip install {shlex.join(packages)}

{_python(target)}

## Run

{_how(manifest)}

{_keys(manifest)}

{_STATUS}

{_picks(manifest)}`--threads N` says how many processor cores to use.

{_SERVICE if target.kind is Kind.LINUX else ""}## Check

    python3 run.py --selftest             # ends with PASS when this board computes as the portal did
    python3 run.py --benchmark            # how long an answer takes here, and how much memory
    python3 run.py --verify --key KEY.pem # is everything here as the portal signed it?

{_BENCHMARK}

Get KEY.pem from the portal you trust (`/api/v1/signing-key`), never from who gave you this folder. `--verify` names
each file that was changed, removed or added, and ends with 0 (as signed), 1 (not as signed) or 2 (it could not
check). With `--json` it tells a program; a zip or another folder that is named behind it is checked instead of this
one, so that the `run.py` of a bundle you trust checks one you don't.

Of a first bundle nothing is trusted yet, nor is the `run.py` in it. The portal has the same check as a program of its
own (`/api/v1/signing-key/verify.py`), which runs nothing of a bundle: save it outside of this folder and type

    python3 -I verify.py --key KEY.pem bundle.zip

OpenSSL 3 checks the manifest alone, which holds the hashes of the other files, but not these files:

    openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in manifest.json -sigfile manifest.sig

## How good it is

{_worth(manifest, arrays)}
{_plain(manifest["note"])}

`report.html` has the details, `manifest.json` everything a program may want to know.
"""


def _how(manifest: dict[str, Any]) -> str:
    """The commands that answer files, and what the files have to be."""
    given = manifest["input"]
    if given["kind"] == "image":
        return _PICTURES
    if given["kind"] == "sound":
        return _SOUNDS.format(**given, seconds=given["samples"] / given["rate_hz"])
    return _TABLES + _columns(manifest)


def _picks(manifest: dict[str, Any]) -> str:
    names = [f"`--variant {name}`" for name in manifest["variants"]]
    return f"{' or '.join(names)} picks the model file, " if len(names) > 1 else ""


def _python(target: Target) -> str:
    oldest, newest = target.runtime.min_python, target.runtime.max_python
    if newest:
        versions = f"Python {oldest}" if newest == oldest else f"Python {oldest} to {newest}"
        return f"{versions}: the LiteRT runtime has no wheels for others there."
    if "ai-edge-litert" not in target.runtime.packages:
        return f"Python {oldest} or newer."
    return f"Python {oldest} or newer. `tflite-runtime` with `numpy<2` serves as well."


def _worth(manifest: dict[str, Any], arrays: Arrays) -> str:
    if not dataless.is_measured(arrays):
        return f"{dataless.NOTE} The self-test's inputs were {dataless.DRAWN}."
    brought = manifest.get("provenance", {}).get("origin") == "brought"
    which = "of the dataset that it was brought with" if brought else "which training never saw"
    start = f"Measured by running these very files on the {len(arrays.test.y)} test samples, {which}:"
    return f"{start}\n\n{_scores(manifest)}"


def _keys(manifest: dict[str, Any]) -> str:
    """What stands in a line of `--json`."""
    what = _NAMED[manifest["input"]["kind"]]
    return (_LABELS if manifest["labels"] else _VALUE).format(input=what)


def _columns(manifest: dict[str, Any]) -> str:
    reader = manifest["input"]["reader"]
    columns = manifest["input"]["columns"]
    names = ", ".join(f"`{_code(column['name'])}`" for column in columns[:_COLUMNS_NAMED])
    if len(columns) > _COLUMNS_NAMED:
        names += f" and {len(columns) - _COLUMNS_NAMED} more (see manifest.json)"
    sign = {"\t": "a tab"}.get(reader["delimiter"], f"`{reader['delimiter']}`")
    return (
        "\n\nThe first line of a table names its columns; they may stand in any order, others are ignored. "
        f"Needed: {names}.\n"
        f"Columns are parted by {sign}, the decimal sign is `{reader['decimal']}`, the encoding "
        f"{reader['encoding']}."
    )


def _scores(manifest: dict[str, Any]) -> str:
    shown = {"accuracy": "accuracy", "macro_f1": "macro F1", "mae": "mean absolute error", "r2": "R²"}
    return "\n".join(
        f"- `{variant['file']}` ({name}): "
        + ", ".join(f"{title} {variant[key]:.4g}" for key, title in shown.items() if key in variant)
        + (f". {in_words(variant['compared'])}" if "compared" in variant else "")
        for name, variant in {**manifest["variants"], **manifest.get("formats", {})}.items()
    )


def _code(text: str) -> str:
    """One line that stays inside a code span."""
    return "".join(letter if letter.isprintable() and letter != "`" else " " for letter in text)


def _plain(text: str) -> str:
    """One line without anything that Markdown or HTML would act on."""
    return "".join(
        letter if letter.isprintable() and letter not in "`*_[]<>#|\\&!" else " " for letter in text
    ).strip()
