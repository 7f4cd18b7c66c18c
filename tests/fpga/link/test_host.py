"""host.py as it lies in a bundle, started as a program, on a pseudo-terminal with a simulated board behind it."""

import errno
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.fpga.boards import BOARDS, Board
from hardware.fpga.bundle import PROGRAMS
from hardware.fpga.identity import digest
from hardware.fpga.simulation.serial_line import Port, Simulator
from hardware.fpga.wire import ports
from hardware.fpga.wire.image import Image, files
from tests.fpga.link.conftest import verilog

pytestmark = pytest.mark.fpga

WIRE = Path(ports.__file__).parent
KEY, COUNT = 7, 12
Host = Callable[..., "subprocess.CompletedProcess[str]"]


def vectors(number: int, *, wrong: int = -1) -> list[tuple[bytes, bytes]]:
    found = []
    for each in range(number):
        source = bytes((each * 31 + at * 5) % 256 for at in range(COUNT))
        output = bytes((byte + KEY + (each == wrong)) % 256 for byte in source)
        found.append((source, b"".join(output[at : at + 3] for at in range(0, COUNT, 4))))
    return found


def image(**changes: object) -> Image:
    said = {
        "title": "adds seven",
        "segments": [(0, bytes((KEY, 0, COUNT))), (0x40, bytes(range(100)))],
        "source": (0x100, COUNT),
        "result": (0x200, COUNT),
        "row": 4,
        "used": 3,
        "cycles": 5 + COUNT,
        "vectors": vectors(5),
    }
    return Image(**{**said, **changes})


def programs_in(folder: Path) -> Path:
    folder.mkdir()
    for name in PROGRAMS:
        shutil.copy(WIRE / name, folder)
    return folder


def bundled(
    folder: Path,
    board: Board,
    made: Image,
    circuit: bytes | None = None,
    contained: tuple[bytes, str] | None = None,
) -> Path:
    """A bundle's folder."""
    programs_in(folder)
    circuit = circuit or digest(board, board.engine, verilog())
    written = files(
        made,
        digest=circuit,
        board=board.name,
        loader=board.loader,
        bitstream="board.bin",
        contained=contained,
    )
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def port(simulator: Simulator) -> Iterator[Port]:
    with Port(simulator) as opened:
        yield opened


@pytest.fixture
def bundle(tmp_path: Path, board: Board) -> Path:
    return bundled(tmp_path / "bundle", board, image())


def host(folder: Path, *options: object, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, folder / "host.py", *map(str, options)],
        capture_output=True, text=True, timeout=120, cwd=folder.parent, env={**os.environ, **env},
    )  # fmt: skip


def test_it_says_which_board_it_is(bundle: Path, port: Port, board: Board) -> None:
    done = host(bundle, "--port", port.name, "--identify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"ice40-hx8k at {port.name}: 8 lanes at 48 MHz\n")
    said = json.loads(host(bundle, "--port", port.name, "--identify", "--json").stdout)
    assert said["digest"] == digest(board, board.engine, verilog()).hex()


def test_it_loads_verifies_and_replays_the_vectors(bundle: Path, port: Port) -> None:
    done = host(bundle, "--port", port.name, "--load", "--selftest")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"103 bytes loaded in \d+\.\d s; 103 read back and equal", lines[0])
    assert lines[1].startswith("17 cycles a run at most: 0.000354 ms")
    assert lines[2] == "PASS 5/5"
    again = host(bundle, "--port", port.name, "--selftest", "--loaded", "--json")
    assert json.loads(again.stdout) == {"vectors": 5, "equal": 5, "cycles": 17}


def test_a_wrong_answer_is_noticed(tmp_path: Path, board: Board, port: Port) -> None:
    folder = bundled(tmp_path / "bundle", board, image(vectors=vectors(5, wrong=3)))
    done = host(folder, "--port", port.name, "--selftest")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("vector 3: [")
    assert lines[-1] == "FAIL 4/5"


def test_it_answers_raw_inputs(bundle: Path, port: Port, tmp_path: Path) -> None:
    (tmp_path / "one.raw").write_bytes(bytes(range(COUNT)))
    (tmp_path / "short.raw").write_bytes(b"abc")
    done = host(
        bundle, "--port", port.name, "--json", "--raw",
        tmp_path / "one.raw", tmp_path / "short.raw", tmp_path / "none",
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["output"] == [at + KEY for at in range(COUNT) if at % 4 < 3]
    assert done.stderr == (
        f"{tmp_path}/short.raw: has 3 bytes; this model takes 12.\n{tmp_path}/none: No such file or directory\n"
    )


def test_how_long_an_answer_takes(bundle: Path, port: Port) -> None:
    done = host(bundle, "--port", port.name, "--benchmark", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["cycles"], said["loaded"]) == (0, 17, 103)
    assert said["engine_ms"] == round(17 / 48_000, 4)
    assert 0 < said["engine_ms"] < said["p50_ms"] <= said["p95_ms"] <= said["p99_ms"]
    told = host(bundle, "--port", port.name, "--benchmark", "--loaded").stdout.splitlines()
    assert told[0].startswith("one answer over the line: p50 ")
    assert told[1] == "the engine's share:       0.000354 ms (17 cycles)"
    assert len(told) == 2, "nothing was loaded"


def test_a_circuit_that_holds_the_model_is_loaded_with_nothing(
    tmp_path: Path, bundle: Path, board: Board, port: Port
) -> None:
    """The board's own digest is that of the bitstream with the model in it; what this segment says never gets there."""
    assert host(bundle, "--port", port.name, "--load").returncode == 0
    ours = digest(board, board.engine, verilog())
    other = image(segments=[(0, bytes((KEY + 1, 0, COUNT)))])
    folder = bundled(tmp_path / "held", board, other, b"another circuit!", (ours, "contained.bin"))
    done = host(folder, "--port", port.name, "--selftest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 5/5"), done.stderr
    asked = host(folder, "--port", port.name, "--load", "--selftest")
    assert asked.stdout.splitlines()[-1] == "FAIL 0/5", "asked for, it is loaded"


def test_another_bitstream_is_refused_with_what_to_type(tmp_path: Path, board: Board, port: Port) -> None:
    folder = bundled(tmp_path / "bundle", board, image(), b"another circuit!")
    done = host(folder, "--port", port.name, "--load")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: The board has another bitstream (ice40-hx8k, 8 lanes, ")
    assert done.stderr.endswith(f"    openFPGALoader -b {board.loader} board.bin\n")


def test_a_program_that_never_ends_is_told(tmp_path: Path, board: Board, port: Port) -> None:
    folder = bundled(tmp_path / "bundle", board, image(segments=[(0, bytes((KEY, 1, COUNT)))]))
    done = host(folder, "--port", port.name, "--selftest")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {port.name}: The board refuses: the run took more cycles than it was given, and was ended.\n"
    )


def test_memory_that_does_not_keep_what_is_written(tmp_path: Path, board: Board, port: Port) -> None:
    """Two segments in one place: the second is what reads back."""
    folder = bundled(tmp_path / "bundle", board, image(segments=[(0, b"abcd"), (2, b"XY")]))
    done = host(folder, "--port", port.name, "--load")
    assert done.returncode == 1
    assert "address 2 reads back as 88, not 99" in done.stderr


def test_memory_that_cannot_be_read_is_not_read_back(tmp_path: Path, board: Board, port: Port) -> None:
    folder = bundled(tmp_path / "bundle", board, image(segments=[(0, b"abcd"), (2, b"XY")], readable=4))
    done = host(folder, "--port", port.name, "--load", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["loaded"], said["verified"]) == (6, 0)


def test_a_disturbed_line_is_put_up_with(bundle: Path, simulator: Simulator) -> None:
    counts = {"in": 0, "out": 0}

    def every(which: str, distance: int) -> Callable[[bytes], bytes]:
        def spoil(data: bytes) -> bytes:
            changed = bytearray(data)
            for at in range(len(data)):
                counts[which] += 1
                if counts[which] % distance == 0:
                    changed[at] ^= 0x10
            return bytes(changed)

        return spoil

    with Port(simulator, spoil_in=every("in", 211), spoil_out=every("out", 173)) as port:
        done = host(bundle, "--port", port.name, "--selftest", "--patience", "0.5")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS 5/5"), done.stderr


def test_silence_is_told_with_what_to_type(bundle: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        done = host(bundle, "--port", os.ttyname(theirs), "--load", "--patience", "0.1")
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "Nothing answers at /dev/pts/" in done.stderr
    assert done.stderr.endswith("    openFPGALoader -b ice40_generic board.bin\n")


def test_a_port_that_is_not_there(bundle: Path) -> None:
    done = host(bundle, "--port", "/dev/ttyUSB77", "--identify")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: There is no port /dev/ttyUSB77. Is the board plugged in?")


def test_what_is_no_serial_port(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = host(bundle, "--port", tmp_path / "file", "--identify")
    assert done.returncode == 2
    assert "cannot be used as a serial port" in done.stderr


def test_a_port_that_another_program_uses(bundle: Path, port: Port) -> None:
    import serial

    with serial.Serial(port.name, exclusive=True):
        done = host(bundle, "--port", port.name, "--identify")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: Another program uses {port.name}: close it (a serial monitor, another host.py), then try again.\n"
    )


def plugged_in(monkeypatch: pytest.MonkeyPatch, **vendors: int | None) -> None:
    """What pyserial finds: ports by name, with the maker's number where they are on USB."""
    from serial.tools import list_ports

    found = [
        types.SimpleNamespace(device=name, vid=vid, description="a port") for name, vid in vendors.items()
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: found)


def test_a_port_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only one of a usual maker, else the only one on USB."""
    plugged_in(monkeypatch, ttyUSB0=0x0403, ttyS0=None, ttyACM0=0x1234)
    assert ports.chosen(None, ValueError) == "ttyUSB0"
    plugged_in(monkeypatch, ttyS0=None, ttyACM0=0x1234)
    assert ports.chosen(None, ValueError) == "ttyACM0"


def test_of_several_ports_none_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in(monkeypatch, ttyUSB1=0x0403, ttyUSB0=0x0403)
    with pytest.raises(ValueError, match="There are several serial ports") as told:
        ports.chosen(None, ValueError)
    assert told.value.args[2:] == ("    --port ttyUSB0    # a port", "    --port ttyUSB1    # a port")
    assert ports.chosen("ttyUSB1", ValueError) == "ttyUSB1"
    plugged_in(monkeypatch, ttyS0=None)
    with pytest.raises(ValueError, match="No serial port of a board was found"):
        ports.chosen(None, ValueError)


def test_a_port_that_this_user_may_not_use() -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    lines = ports.unopened("/dev/ttyUSB0", error)
    assert lines[0] == "This user may not use /dev/ttyUSB0. Type this, then log out and in again:"
    assert lines[-1] == "    sudo usermod -a -G dialout $USER"


def test_without_pyserial_it_says_what_to_type(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "serial.py").write_text("raise ImportError('none')\n")
    done = host(bundle, "--identify", PYTHONPATH=str(tmp_path / "path"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: pyserial is missing. On this machine type:\n\n    ")


@pytest.mark.parametrize("name", ["image.bin", "vectors.bin", "image.json"])
def test_a_damaged_bundle_is_told(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"damaged")
    done = host(bundle, "--port", "/dev/null", "--load")
    assert done.returncode == 1
    assert f"{name} is damaged" in done.stderr
    (bundle / name).unlink()
    assert f"{name} is missing" in host(bundle, "--port", "/dev/null", "--load").stderr


def test_an_image_of_another_format_is_told(bundle: Path) -> None:
    said = json.loads((bundle / "image.json").read_text())
    (bundle / "image.json").write_text(json.dumps({**said, "format": 2}))
    done = host(bundle, "--port", "/dev/null", "--load")
    assert (done.returncode, done.stderr) == (1, "error: This host.py loads images of format 1, not 2.\n")


def test_wrong_options(bundle: Path) -> None:
    assert host(bundle).returncode == 2
    assert "--patience must be more than 0" in host(bundle, "--load", "--patience", "0").stderr


def test_programming_needs_openfpgaloader(bundle: Path, tmp_path: Path) -> None:
    done = host(bundle, "--program", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "openFPGALoader is not installed" in done.stderr


def test_programming_calls_it_with_the_boards_name(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "openFPGALoader").write_text('#!/bin/sh\necho "$@"\nexit 0\n')
    (tmp_path / "openFPGALoader").chmod(0o755)
    done = host(bundle, "--program", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (0, f"-b ice40_generic {bundle / 'board.bin'}\n")


def test_programming_that_fails_is_the_end(bundle: Path, tmp_path: Path) -> None:
    """No board is asked then."""
    (tmp_path / "openFPGALoader").write_text("#!/bin/sh\necho no board >&2\nexit 3\n")
    (tmp_path / "openFPGALoader").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = host(bundle, "--program", "--selftest", "--port", "/dev/ttyUSB77", PATH=path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no board\n")


def test_programming_the_circuit_that_holds_the_model(bundle: Path, tmp_path: Path, board: Board) -> None:
    (tmp_path / "openFPGALoader").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "openFPGALoader").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    none = host(bundle, "--program", "--contained", PATH=path)
    assert (none.returncode, none.stdout) == (1, "")
    assert "has no bitstream that holds the model" in none.stderr
    folder = bundled(tmp_path / "held", board, image(), None, (b"the other digest", "contained.bin"))
    done = host(folder, "--program", "--contained", PATH=path)
    assert (done.returncode, done.stdout) == (0, f"-b ice40_generic {folder / 'contained.bin'}\n")


def test_a_model_without_ends_takes_raw_inputs_alone(bundle: Path, port: Port, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"none")
    done = host(bundle, "--port", port.name, tmp_path / "picture.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: This model came without its ends: it takes raw inputs alone (--raw).\n"


def test_the_boards_loaders_are_named() -> None:
    assert all(board.loader for board in BOARDS.values())
