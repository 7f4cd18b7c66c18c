"""What run.py says on a machine that lacks something: a sentence, and what to type on that very machine."""

import json
import platform
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hardware.targets.registry import TARGETS
from jobs.engine.export import device

FOLDER = Path(device.__file__).parent
PYTHONS = Path.home() / ".pyenv" / "versions"


def manifest(target: str = "raspberry-pi-4", kind: str = "image") -> dict[str, Any]:
    runtime = TARGETS[target].runtime
    return {
        "format": 1,
        "target": {"title": TARGETS[target].title},
        "input": {"kind": kind},
        "variants": {"int8": {"file": "model.tflite"}},
        "default_variant": "int8",
        "files": {},
        "labels": [],
        "runtime": {
            "packages": list(runtime.packages),
            "pictures": list(runtime.pictures),
            "python": runtime.min_python,
            "minimum": "",
        },
    }


class Machine:
    """trouble.py on a machine that is not this one: what it is told of the system is replaced."""

    def __init__(self, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.patch, self.stdlib = patch, tmp_path
        self.trouble = runpy.run_path(str(FOLDER / "trouble.py"))
        self.set(machine="aarch64", python=(3, 11), bits=64, glibc="2.36", pip=True, venv=True, apt=True)
        patch.setattr(sys, "base_prefix", sys.prefix)
        patch.setattr(sys, "platform", "linux")
        patch.setattr(sys, "argv", ["run.py", "a picture.jpg"])
        patch.setattr(sys, "executable", "/usr/bin/python3")
        patch.setattr(self.trouble["sysconfig"], "get_path", lambda _name: str(tmp_path))
        patch.setenv("HOME", str(tmp_path))

    def set(self, **facts: Any) -> None:
        self.facts = {**getattr(self, "facts", {}), **facts}
        found = self.facts
        self.patch.setattr(platform, "machine", lambda: found["machine"])
        self.patch.setattr(platform, "libc_ver", lambda: ("glibc", found["glibc"]))
        self.patch.setattr(sys, "version_info", (*found["python"], 0))
        self.patch.setattr(sys, "maxsize", 2 ** (found["bits"] - 1) - 1)
        there = {"pip": found["pip"], "ensurepip": found["venv"]}
        self.patch.setattr(
            self.trouble["importlib"].util,
            "find_spec",
            lambda name: SimpleNamespace() if there.get(name) else None,
        )
        tools = {"python3": "/usr/bin/python3", **({"apt-get": "/usr/bin/apt-get"} if found["apt"] else {})}
        self.patch.setattr(shutil, "which", tools.get)

    def managed(self) -> None:
        (self.stdlib / "EXTERNALLY-MANAGED").touch()

    def says(self, target: str = "raspberry-pi-4", kind: str = "image") -> list[str]:
        error = ModuleNotFoundError("No module named 'ai_edge_litert'", name="ai_edge_litert")
        return self.trouble["lacking"]("No LiteRT runtime is installed", error, manifest(target, kind))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_a_python_that_takes_packages(machine: Machine) -> None:
    said, *lines = machine.says()
    assert said.startswith("No LiteRT runtime is installed. On this machine (")
    assert lines == ["", "    python3 -m pip install numpy ai-edge-litert pillow"]
    assert machine.says(kind="table")[-1].endswith("pip install numpy ai-edge-litert")


def test_a_python_of_the_system_gets_an_environment(machine: Machine) -> None:
    machine.managed()
    made = ["    python3 -m venv ~/gristmill"]
    rest = [
        "    ~/gristmill/bin/python -m pip install numpy ai-edge-litert pillow",
        "    ~/gristmill/bin/python run.py 'a picture.jpg'",
    ]
    assert machine.says()[2:] == [*made, *rest]
    machine.set(venv=False)
    assert machine.says()[2:] == ["    sudo apt-get install -y python3-venv", *made, *rest]
    (machine.stdlib / "gristmill" / "bin").mkdir(parents=True)
    (machine.stdlib / "gristmill" / "bin" / "python").touch()  # there already, but forgotten
    assert machine.says()[2:] == rest


def test_inside_an_environment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.managed()
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", "/home/pi/my env/bin/python")
    assert machine.says()[2:] == [
        "    '/home/pi/my env/bin/python' -m pip install numpy ai-edge-litert pillow"
    ]


def test_a_32_bit_system_on_a_64_bit_processor(machine: Machine) -> None:
    machine.set(bits=32)
    assert machine.says()[2:] == [
        "    sudo apt-get install -y python3-venv python3-numpy python3-pil",
        "    python3 -m venv --system-site-packages ~/gristmill",
        "    ~/gristmill/bin/python -m pip install 'numpy<2' tflite-runtime",
        "    ~/gristmill/bin/python run.py 'a picture.jpg'",
    ]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"machine": "armv6l", "bits": 32}, "no LiteRT runtime for this processor (armv6l)"),
        ({"machine": "riscv64"}, "no LiteRT runtime for this processor (riscv64)"),
        ({"machine": "x86_64", "bits": 32}, "no LiteRT runtime for this processor (i686)"),
        ({"machine": "armv7l", "bits": 32, "python": (3, 13)}, "for Python 3.11 alone; this is 3.13"),
        ({"glibc": "2.28"}, "has 2.28: it is too old"),
    ],
)
def test_a_machine_that_nothing_runs_on(machine: Machine, facts: dict[str, Any], sentence: str) -> None:
    machine.set(**facts)
    said, made_for = machine.says()
    assert sentence in said
    assert made_for == "This bundle was made for: Raspberry Pi 4."


def test_a_bundle_for_another_machine_gets_the_packages_of_this_one(machine: Machine) -> None:
    assert machine.says("linux-armhf")[-1].endswith("install numpy ai-edge-litert pillow")


def test_a_library_that_does_not_load(machine: Machine) -> None:
    error = ImportError("libopenblas.so.0: cannot open shared object file", name="numpy._core")
    lines = machine.trouble["lacking"]("numpy is missing", error, manifest())
    assert lines[0].startswith("numpy is installed, but cannot be loaded: libopenblas.so.0")
    assert lines[-1] == "    sudo apt-get install -y libopenblas0"
    error = ImportError("numpy.core.multiarray failed to import", name="tflite_runtime._pywrap")
    lines = machine.trouble["lacking"]("No LiteRT runtime is installed", error, manifest())
    assert lines[-1] == "    python3 -m pip install 'numpy<2'"


def test_the_pis_own_camera(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What picamera2 needs is built for the NumPy of its own Debian."""
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/proc/device-tree/model")
    numpy = "    ~/gristmill/bin/python -m pip install 'numpy<2'     # what it was built for"
    said = machine.trouble["no_camera_library"]("0", {})
    assert "neither is installed" in said[0]
    assert said[3].startswith("    sudo apt-get install -y python3-picamera2")
    assert said[4].startswith("    python3 -m venv --system-site-packages ~/gristmill")
    assert said[5] == numpy
    machine.set(python=(3, 13))
    assert numpy not in machine.trouble["no_camera_library"]("0", {})
    missing = {"picamera2": ModuleNotFoundError("No module named 'libcamera'", name="libcamera")}
    said = machine.trouble["no_camera_library"]("0", missing)
    assert said[0] == "picamera2 is installed, but cannot be loaded: No module named 'libcamera'"
    assert any("python3-picamera2" in line for line in said)


# --- on this machine, with the Pythons that are here ---------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A bundle's programs, without a model."""
    for path in FOLDER.glob("*.py"):
        shutil.copy(path, tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest()))
    (tmp_path / "model.tflite").write_bytes(b"")
    return tmp_path


@pytest.mark.skipif(
    not Path("/usr/lib/python3.11/EXTERNALLY-MANAGED").exists(), reason="no Debian's Python 3.11 here"
)
def test_debians_python(bare: Path) -> None:
    argv = ["/usr/bin/python3.11", "-I", "-S", str(bare / "run.py"), "--selftest"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: numpy is missing. On this machine (Debian GNU/Linux")
    assert "~/gristmill/bin/python -m pip install numpy ai-edge-litert pillow\n" in done.stderr
    assert done.stderr.endswith(f"~/gristmill/bin/python {bare}/run.py --selftest\n")


OLD = sorted(
    path
    for version in ("2.7", "3.6", "3.7", "3.8")
    for path in PYTHONS.glob(f"{version}.*/bin/python")
    if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0
)


@pytest.mark.skipif(not OLD, reason="no Python older than 3.9 on this machine")
def test_an_old_python_is_told_so(bare: Path) -> None:
    for python in OLD:
        done = subprocess.run([python, str(bare / "run.py"), "x.jpg"], capture_output=True, text=True)
        assert done.returncode == 1
        assert "needs Python 3.9 or newer. Try: python3 run.py" in done.stderr
        assert "Traceback" not in done.stderr


def test_only_ascii_stands_before_that_sentence() -> None:
    """Python 2 would complain of the letter, not of its age."""
    (FOLDER / "run.py").read_text("ascii")
