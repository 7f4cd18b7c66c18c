"""The rooms and their import table: imports point down only, pure packages stay pure, TensorFlow stays in its place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = ("portal", "hardware", "jobs")

# From the top of the house to its cellar; a room may import those after it.
DJANGO = (
    "portal.site",
    "jobs.devices",
    "jobs.bundles",
    "jobs.queue",
    "jobs.datasets",
    "hardware.nodes",
    "portal.ledger",
    "portal.members",
    "portal.notices",
    "portal.core",
)
PURE = (
    "portal.kit",
    "hardware.nodes.probe",
    "hardware.targets",
    "hardware.fpga",
    "jobs.datasets.formats",
    "jobs.scheduler",
    "jobs.engine",
    "jobs.runner",
)
# What Django rooms may import of the pure ones besides the whole of these:
OPEN_TO_ROOMS = ("portal.kit", "hardware.targets", "jobs.scheduler", "jobs.runner", "jobs.datasets.formats")
OPEN_MODULES = ("jobs.engine.spec", "jobs.engine.recipes")
OWN = {"hardware.nodes.probe": ("jobs.queue", "hardware.nodes")}  # registration reads its own probe
COMPOSITION = ("portal.settings", "portal.urls", "portal.asgi", "portal.celery")
COMPOSITION_USERS = ("portal.site", "jobs.queue.management")  # programs that start the composition
HEAVY = (
    "tensorflow",
    "keras",
    "sklearn",
    "ai_edge_litert",
    "ai_edge_quantizer",
    "tflite_micro",
    "onnxruntime",
    "tf2onnx",
)


def modules() -> Iterator[tuple[str, Path]]:
    for top in TOP:
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str, rooms: tuple[str, ...]) -> str | None:
    """The innermost of `rooms` that `module` is in."""
    inside = [name for name in rooms if module == name or module.startswith(name + ".")]
    return max(inside, key=len, default=None)


def is_below(module: str, parents: tuple[str, ...]) -> bool:
    return room(module, parents) is not None


def allowed(importer: str, imported: str) -> bool:
    pure = room(imported, PURE)
    if here := room(importer, PURE):
        return pure is not None or imported.split(".", maxsplit=1)[0] not in TOP
    if importer in COMPOSITION:
        return True
    if imported.startswith(COMPOSITION):
        return importer.startswith(COMPOSITION_USERS)
    if pure:
        return (
            is_below(imported, OPEN_TO_ROOMS)
            or is_below(imported, OPEN_MODULES)
            or importer.startswith(OWN.get(pure, ("-",)))
        )
    here, there = room(importer, DJANGO), room(imported, DJANGO)
    if here is None or there is None:
        return False
    return DJANGO.index(there) >= DJANGO.index(here)


@pytest.mark.parametrize(
    ("module", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_imports_point_down(module: str, path: Path) -> None:
    if module in {"portal", "hardware", "hardware.nodes.probe", "jobs"} and not path.read_text():
        return
    wrong = [name for name in imports(path) if name.split(".")[0] in TOP and not allowed(module, name)]
    assert not wrong, f"{module} may not import {wrong}"


def test_pure_packages_import_no_django() -> None:
    wrong = {
        module: bad
        for module, path in modules()
        if room(module, PURE)
        and (
            bad := [
                name for name in imports(path) if name.split(".")[0] in {"django", "rest_framework", "celery"}
            ]
        )
    }
    assert not wrong


def test_package_inits_are_empty() -> None:
    full = [path for _name, path in modules() if path.name == "__init__.py" and path.read_text().strip()]
    assert [path for path in full if path.parent.name != "models"] == []


def test_every_module_has_a_room() -> None:
    homeless = [
        name
        for name, path in modules()
        if name not in TOP
        and name not in COMPOSITION
        and not room(name, DJANGO + PURE)
        and path.name != "__init__.py"
    ]
    assert homeless == []


@pytest.mark.parametrize("program", ["portal.asgi", "portal.celery", "jobs.queue.agent"])
def test_web_and_workers_never_load_tensorflow(program: str) -> None:
    code = (
        "import django, sys; django.setup(); import importlib;"
        f"importlib.import_module({program!r});"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
