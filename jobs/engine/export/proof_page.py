"""The part of `report.html` that proves the files: each beside the float model, what it needs, what it is made of."""

from html import escape
from typing import Any

from jobs.engine.export.compared import in_words

Found = dict[str, Any]
_KIB = 1024


def proof(manifest: Found) -> str:
    """HTML of a manifest's model files: those for a computer, and the board's own where it has one. Nothing where no
    file was measured for a board, as of a bundle to go on with elsewhere.
    """
    if not (files := [found for found in _files(manifest) if "arena_bytes" in found]):
        return ""
    rows = "".join(_row(found, manifest["target"]) for found in files)
    head = "".join(
        f'<th scope="col">{cell}</th>' for cell in ("model file", "flash", "activations", "peak RAM")
    )
    board = board_file(manifest)
    told = f"<p>{escape(board['proof'])}</p>" if board else ""
    return (
        f"<h2>What it needs</h2>{told}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{''.join(_operators(found) for found in files)}"
    )


def board_file(manifest: Found) -> Found | None:
    """What the manifest says of the board's own file, of kinds that have one."""
    found: Found | None = manifest.get("microcontroller") or manifest.get("fpga")
    return found


def _files(manifest: Found) -> list[Found]:
    board = board_file(manifest)
    return [*([board] if board else []), *manifest["variants"].values()]


def _row(found: Found, target: Found) -> str:
    if "flash_bytes" in found:
        program = _size(found["flash_bytes"] - found["model_bytes"])
        flash = f"{_size(found['flash_bytes'])} of {_size(target['flash_bytes'])}, {program} of it for the program"
        arena = f"{_size(found['arena_measured_bytes'])} measured"
        ram = f"{_size(found['arena_bytes'])} of {_size(target['ram_bytes'])} reserved, measured and a margin"
    else:
        flash, arena = _size(found["model_bytes"]), f"{_size(found['arena_bytes'])} from the graph"
        ram = f"{_size(found['ram_bytes'])}, estimated, with Python and the runtime"
    return (
        f'<tr><th scope="row">{escape(found["file"])}</th><td>{flash}</td><td>{arena}</td><td>{ram}</td></tr>'
    )


def _operators(found: Found) -> str:
    names = ", ".join(escape(name) for name in found["operators"])
    known = "all supported by" if found["operators_supported"] else "not all supported by"
    runtime = found.get("runtime", {}).get("name", "LiteRT")
    return f"<p><small>{escape(found['file'])} uses {names}: {known} {escape(runtime)}, which ran it.</small></p>"


def beside_the_float_model(manifest: Found) -> str:
    """A sentence for each file that is not the float model; red, and in words, where it is really worse."""
    return "".join(_verdict(found) for found in _files(manifest) if found.get("compared"))


def _verdict(found: Found) -> str:
    remedy = found.get("remedy")
    if not remedy or not remedy["applied"]:
        return _told(found["file"], found["compared"])
    now = _told(f"{found['file']} as it is now", found["compared"])
    return _told(f"{found['file']} as plain int8", remedy["before"]) + now


def _told(name: str, compared: Found) -> str:
    told = escape(in_words(compared))
    if not compared["real"]:
        return f"<p><strong>{escape(name)}</strong>: {told}</p>"
    return f'<p class="drop"><strong>Drop: {escape(name)}</strong>: {told}</p>'


def _size(count: int) -> str:
    return f"{count / _KIB:,.0f} KiB"
