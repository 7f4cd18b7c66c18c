"""What a person takes home for an FPGA board: the files of a proved circuit, by name, all in one folder.

The same circuit and net give the same bytes: nothing in them says when, where or how quickly they were made.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.fpga import tools
from hardware.fpga.chips import CHIPS
from hardware.fpga.flow import SCRIPT, Built, calls, script
from hardware.fpga.ir import Int8s
from hardware.fpga.proof import Proved
from hardware.fpga.report import page
from hardware.fpga.shell import Circuit, circuit
from hardware.fpga.wire import image as wire

PROGRAMS = ("host.py", "board.py", "classify.py", "ends.py", "link.py", "ports.py", "rebuild.py")
REPORT_FILE, PAGE_FILE = "fpga.json", "fpga.html"
REBUILD_FILE, REQUIREMENTS_FILE = "rebuild.json", "requirements-rebuild.txt"
_WIRE = Path(wire.__file__).parent
_VARYING = frozenset({"seconds", "cached"})  # of stages, reports and seeds


@dataclass(frozen=True)
class _Bitstream:
    """One of a bundle's: its name there, the circuit that it is of, and what came of the flow."""

    name: str
    circuit: Circuit
    built: Built


def files(
    proved: Proved, *, title: str, ends: dict[str, Any], inputs: Int8s, outputs: Int8s
) -> dict[str, bytes]:
    """Contents by name. `title`: what people call the model; `ends`: floats.py's of its file; `inputs` (n, …) of its
    int8 core and what that answers, `outputs` (n, …), become the vectors of the self-test.
    """
    streams = _bitstreams(proved)
    image = wire.of_net(proved.image, title=title, inputs=inputs, outputs=outputs, ends=ends)
    found = {name: (_WIRE / name).read_bytes() for name in PROGRAMS}
    found |= wire.files(
        image,
        digest=proved.circuit.digest,
        board=proved.board.name,
        loader=proved.board.loader,
        bitstream=streams[0].name,
        contained=(streams[1].circuit.digest, streams[1].name) if streams[1:] else None,
    )
    for stream in streams:
        found[stream.name] = stream.built.bitstream.read_bytes()
        for name, text in _texts(stream.circuit).items():
            found[_kept(proved, stream, name)] = text.encode()
    found[REBUILD_FILE] = _json(_rebuild(proved, streams))
    found[REQUIREMENTS_FILE] = _requirements(proved.built.report.versions).encode()
    found[REPORT_FILE] = _json(described(proved))
    found[PAGE_FILE] = page(proved, title=title).encode()
    return found


def described(proved: Proved) -> dict[str, Any]:
    """What the manifest says under "fpga": as `Proved.as_json`, without what differs from run to run, and with names of
    files.
    """
    said = {
        name: value if name == "seconds" else _without_varying(value)
        for name, value in proved.as_json().items()
    }
    names = [stream.name for stream in _bitstreams(proved)]
    held = {"contained_bitstream": names[1]} if names[1:] else {}
    return {**said, "bitstream": names[0], "constraints": proved.circuit.constraints_name, **held}


def _without_varying(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_varying(each) for name, each in value.items() if name not in _VARYING}
    return [_without_varying(each) for each in value] if isinstance(value, list | tuple) else value


def _bitstreams(proved: Proved) -> list[_Bitstream]:
    """The one that models are loaded into, and the one that holds this, where there is one."""
    ending = CHIPS[proved.board.family].ending
    found = [_Bitstream(f"board.{ending}", proved.circuit, proved.built)]
    if proved.contained is not None:
        held = circuit(proved.board, proved.engine, image=proved.image)
        found.append(_Bitstream(f"contained.{ending}", held, proved.contained))
    return found


def _texts(made: Circuit) -> dict[str, str]:
    """All that the tools read of a circuit, by the names that they know."""
    return {**made.sources, made.constraints_name: made.constraints}


def _kept(proved: Proved, stream: _Bitstream, name: str) -> str:
    """A circuit's file as it is called in the bundle: both bitstreams share what is the same."""
    first = _texts(proved.circuit)
    same = name not in first or first[name] == _texts(stream.circuit)[name]
    return name if same else f"{Path(stream.name).stem}_{name}"


def _rebuild(proved: Proved, streams: list[_Bitstream]) -> dict[str, Any]:
    """What rebuild.py reads."""
    return {
        "inside": tools.INSIDE,
        "settings": tools.SETTINGS,
        "versions": proved.built.report.versions,
        "bitstreams": [
            {
                "bitstream": stream.name,
                "sha256": stream.built.report.sha256,
                "sources": {name: _kept(proved, stream, name) for name in sorted(_texts(stream.circuit))},
                "texts": {SCRIPT: script(stream.circuit, proved.board)},
                "calls": [
                    {
                        "tool": call.tool.name,
                        "options": tools.options(call.tool, call.arguments),
                        "webassembly": bool(call.tool.function),
                        "log": call.log,
                        "writes": call.writes,
                    }
                    for call in calls(stream.circuit, proved.board, stream.built.report.seed)
                ],
            }
            for stream in streams
        ],
    }


def _requirements(versions: Mapping[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
