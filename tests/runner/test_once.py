"""One program in a sandbox of its own: what it gets, what it can't reach, and how it ends."""

import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from jobs.runner import bubble, once, running, sandbox
from jobs.runner.bubble import Level
from jobs.runner.limits import MIB, Exit, Limits
from jobs.runner.sandbox import SandboxReport
from portal.kit import frontend

WHOLE = sandbox.probe()
needs_sandbox = pytest.mark.skipif(not WHOLE.available, reason="no bubblewrap here")
WATCHED = replace(WHOLE, groups=None)
WAYS = [
    pytest.param(WHOLE, id="all-there-is", marks=needs_sandbox),
    pytest.param(replace(WHOLE, level=Level.SAME_USER, groups=None), id="same-user", marks=needs_sandbox),
    pytest.param(sandbox.unconfined(), id="unconfined"),
]


def run(program: str, *args: str, limits: Limits | None = None, **options: object) -> tuple[Exit, list[str]]:
    lines: list[str] = []
    limits = limits or Limits(seconds=20)
    end = once.run([sys.executable, "-c", program, *args], limits=limits, on_line=lines.append, **options)  # type: ignore[arg-type]
    return end, lines


@pytest.mark.parametrize("way", WAYS)
def test_reads_its_input_writes_its_output_and_speaks_in_lines(way: SandboxReport, tmp_path: Path) -> None:
    source, out = tmp_path / "blob", tmp_path / "out"
    source.write_text("grain")
    source.chmod(0o600)
    out.mkdir(mode=0o700)
    program = (
        "import sys; t = open(sys.argv[1]).read(); print(t); print('flour', end='');"
        "open(sys.argv[2] + '/made', 'w').write(t); print('to the log', file=sys.stderr)"
    )
    end, lines = run(
        program,
        "/in/blob",
        "/out",
        read_only={source: "/in/blob"},
        writable={out: "/out"},
        log=tmp_path / "log",
        report=way,
    )
    assert (end.code, lines) == (0, ["grain", "flour"]), end
    assert (out / "made").read_text() == "grain"
    assert (tmp_path / "log").read_text() == end.tail == "to the log\n"
    assert source.stat().st_uid == os.geteuid()


@needs_sandbox
def test_input_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("grain")
    (tmp_path / "blob").chmod(0o666)
    end, _ = run("open('/in/blob', 'a').write('x')", read_only={tmp_path / "blob": "/in/blob"})
    assert end.code == 1
    assert "Read-only file system" in end.tail


@needs_sandbox
@pytest.mark.parametrize("way", WAYS[:2])
def test_what_pages_of_bundles_are_made_of_is_there_to_read(way: SandboxReport) -> None:
    frontend.build()
    program = (
        "import jobs, pathlib; made = pathlib.Path(jobs.__path__[0]).parent / 'static' / 'build';"
        "print((made / 'litert.version').read_text()); (made / 'page.html').open('a')"
    )
    end, lines = run(program, report=way)
    assert lines[0] == (bubble.ROOT / "static" / "build" / "litert.version").read_text().strip()
    assert "Read-only file system" in end.tail or "Permission denied" in end.tail


@needs_sandbox
@pytest.mark.parametrize("way", WAYS[:2])
def test_the_rest_of_the_machine_is_not_there(
    way: SandboxReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("key")
    monkeypatch.setenv("GRISTMILL_SECRET_KEY", "hush")
    program = (
        "import os, sys; print(os.path.exists(sys.argv[1])); print('GRISTMILL_SECRET_KEY' in os.environ);"
        "print(sorted(p for p in os.listdir('/proc') if p.isdigit())); print(os.path.exists('/etc/shadow'));"
        "print(os.path.exists(sys.argv[2]))"
    )
    end, lines = run(program, str(tmp_path / "secret"), f"/proc/{os.getpid()}/environ", report=way)
    assert end.ok, end
    assert lines[:2] == ["False", "False"]
    assert len(lines[2].split(",")) <= 3
    assert lines[3] == "False"


@needs_sandbox
def test_no_network_not_even_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        end, _ = run(program)
    assert end.code == 1
    assert any(word in end.tail for word in ("not supported by protocol", "refused", "unreachable"))


@needs_sandbox
def test_no_new_user_namespace() -> None:
    end, lines = run("import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))")
    assert (end.code, lines) == (0, ["-1"])


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(WHOLE, id="as-here"),
        pytest.param(WATCHED, id="watched", marks=needs_sandbox),
        WAYS[2],
    ],
)
def test_too_much_memory_is_named(way: SandboxReport) -> None:
    program = "import time\nheld = []\nwhile True: held.append(b'x' * (8 << 20)); time.sleep(0.01)"
    end, _ = run(program, limits=Limits(seconds=20, memory_bytes=120 * MIB), report=way)
    assert end.over_memory
    assert not end.timed_out
    assert end.code is None
    assert 80 * MIB < end.peak_memory_bytes < 600 * MIB


@pytest.mark.parametrize("way", WAYS)
def test_too_long_takes_everything_it_started_along(way: SandboxReport) -> None:
    mark = f"60.0{os.getpid()}"
    program = f"import subprocess, time; subprocess.Popen(['/bin/sleep', '{mark}']); print('on', flush=True)"
    program += "; time.sleep(60)"
    started = time.monotonic()
    end, lines = run(program, limits=Limits(seconds=3.0), report=way)
    assert end.timed_out
    assert lines == ["on"]
    assert time.monotonic() - started < 20
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


@needs_sandbox
def test_a_fork_bomb_is_refused() -> None:
    program = """
import os, time
for started in range(500):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        break
print(started)
os._exit(0)
"""
    for way in (WHOLE, WATCHED):
        if way.level is Level.OWN_USER or os.geteuid() != 0 or way.groups is not None:
            end, lines = run(program, limits=Limits(seconds=20, processes=40), report=way)
            assert end.ok, end
            assert 1 < int(lines[0]) <= 40


def test_too_much_output_and_endless_lines(tmp_path: Path) -> None:
    flood, _ = run("while True: print('x' * 1000)", limits=Limits(seconds=20, output_bytes=MIB))
    endless, _ = run(
        "import sys\nwhile True: sys.stdout.write('x' * 1000)", limits=Limits(seconds=20, line_bytes=5000)
    )
    assert flood.over_output
    assert endless.over_output


def test_a_full_log_is_cut_and_no_error(tmp_path: Path) -> None:
    program = "import sys\nfor _ in range(100): sys.stderr.write('x' * 1000)\nsys.stderr.write('the end')"
    end, _ = run(program, limits=Limits(seconds=20, log_bytes=10_000), log=tmp_path / "log")
    assert end.ok
    assert (tmp_path / "log").stat().st_size < 11_000
    assert end.tail.endswith("the end")


def test_filling_the_disk_by_size_and_by_number(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    big = "import sys, time\nfor n in range(900):"
    big += "open(f'{sys.argv[1]}/{n}', 'wb').write(b'x' * 200_000); time.sleep(0.02)"
    many = "import sys, time\nfor n in range(900): open(f'{sys.argv[1]}/m{n}', 'w'); time.sleep(0.01)"
    limits = Limits(seconds=30, disk_bytes=3 * MIB)
    end, _ = run(big, "/out", writable={tmp_path / "out": "/out"}, limits=limits)
    assert end.over_disk
    end, _ = run(many, "/out", writable={tmp_path / "out": "/out"}, limits=Limits(seconds=30, files=100))
    assert end.over_disk


def test_one_big_file_is_refused_by_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    program = "import sys; open(f'{sys.argv[1]}/big', 'wb').write(b'x' * 9_000_000)"
    end, _ = run(
        program, "/out", writable={tmp_path / "out": "/out"}, limits=Limits(seconds=20, file_bytes=MIB)
    )
    assert "File too large" in end.tail
    assert (tmp_path / "out" / "big").stat().st_size <= MIB


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_the_listener_ends_the_program(way: SandboxReport) -> None:
    mark = f"61.0{os.getpid()}"

    def listen(line: str) -> None:
        raise RuntimeError(line)

    program = f"import subprocess; print('word', flush=True); subprocess.run(['/bin/sleep', '{mark}'])"
    with pytest.raises(RuntimeError, match="word"):
        once.run([sys.executable, "-c", program], limits=Limits(seconds=30), on_line=listen, report=way)
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


@pytest.mark.parametrize("way", WAYS)
def test_exit_code_and_signal(way: SandboxReport) -> None:
    assert run("raise SystemExit(7)", report=way)[0].code == 7
    end, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", report=way)
    assert (end.code, end.signal) == (None, 11)


def test_a_missing_input_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run("pass", read_only={tmp_path / "none": "/in/none"})


def test_sockets_to_children_block_whatever_the_default_is() -> None:
    """As kombu sets one for a moment in the node's process, a child would not wait to be told to begin."""
    socket.setdefaulttimeout(4)
    try:
        mine, theirs = running.channels({})
    finally:
        socket.setdefaulttimeout(None)
    try:
        assert all(map(os.get_blocking, (theirs.control, theirs.status)))
        assert mine.control.gettimeout() is None
    finally:
        mine.close()
        for handle in vars(theirs).values():
            os.close(handle)
