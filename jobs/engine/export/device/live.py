"""Folders, once or watched, and cameras. Python 3.9 or newer, standard library; for cameras Pillow and their library.

Raises OSError or RuntimeError for what cannot be read, NoLibraryError when nothing is there that reads cameras.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional, Tuple

State = Tuple[int, int]  # bytes, time of change in ns
PAUSE_S = 0.5
# How long a file must stay as it is where the system can't say whether somebody still writes it.
QUIET_S = 3.0
SLACK = 1000  # lines that the journal may have beyond one a file
READ_LEASE = 1024  # fcntl's F_SETLEASE, which only Linux has


def watch(
    folder: Path,
    bundle: Path,
    endings: tuple[str, ...],
    answer: Callable[[Path], None],
    say: Callable[[str], None],
) -> None:
    """Calls `answer` for each file in `folder` that ends so and is new or changed, once it is complete; never returns.

    What was answered stands in a journal in `folder`, one for each place of a bundle: after a kill it goes on from
    there, and what came meanwhile is answered. The file in hand when it was killed may be answered a second time.
    """
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # sent when somebody opens a file during our look at it
    name = hashlib.sha256(str(bundle).encode(errors="surrogateescape")).hexdigest()[:12]
    journal = Journal(folder / f".gristmill-{name}.jsonl", say)
    done = journal.read()
    if done is None:
        done = _states(folder, endings) or {}
        say(f"Watching {folder}; what is there already is left alone. Ctrl-C ends.")
    else:
        say(f"Watching {folder}, going on where it ended. Ctrl-C ends.")
    journal.write(done)
    since: dict[Path, Tuple[State, float]] = {}
    ending = _Ending()
    while True:
        began = time.monotonic()
        now = _states(folder, endings)
        looked_s = time.monotonic() - began
        if now is not None:
            done = {path: state for path, state in done.items() if path in now}
            for path in _complete(now, done, since):
                ending.hold(True)
                answer(path)
                done[path] = now[path]
                journal.add(path, done)
                ending.hold(False)
        time.sleep(max(PAUSE_S, 10 * looked_s))  # large folders are looked at less often


class _Ending:
    """Ctrl-C and a service's stop, which wait while `busy` is set: what is answered is also written down."""

    def __init__(self) -> None:
        self.busy = self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked)

    def _asked(self, *_: object) -> None:
        self.wanted = True
        if not self.busy:
            raise KeyboardInterrupt

    def hold(self, busy: bool) -> None:
        self.busy = busy
        if self.wanted and not busy:
            raise KeyboardInterrupt


def _states(folder: Path, endings: tuple[str, ...]) -> Optional[dict[Path, State]]:
    """Every file as it is now; None when a folder could not be looked into that may be back soon."""
    troubles: list[OSError] = []
    try:
        found = {path: _state(path) for path in files(folder, endings, troubles.append)}
    except FileNotFoundError:  # gone between the listing and the look at it
        return None
    return None if any(not isinstance(trouble, PermissionError) for trouble in troubles) else found


def _state(path: Path) -> State:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _complete(
    now: dict[Path, State], done: dict[Path, State], since: dict[Path, Tuple[State, float]]
) -> Iterator[Path]:
    """The new ones that nobody writes any more. `since` keeps when each was first seen as it is."""
    for path in [path for path in since if path not in now]:
        del since[path]
    for path, state in now.items():
        if done.get(path) == state:
            since.pop(path, None)
            continue
        seen, when = since.get(path, (None, 0.0))
        if seen != state:
            since[path] = (state, time.monotonic())
            continue
        written = being_written(path) if state[0] else None  # an empty file is often filled a moment later
        if written is False or (written is None and time.monotonic() - when >= QUIET_S):
            del since[path]
            yield path


def being_written(path: Path) -> Optional[bool]:
    """Whether a program has it open for writing; None where the system doesn't tell (another's file, another disk).

    Linux gives a read lease on a file only when nobody has (fcntl(2), F_SETLEASE).
    """
    try:
        import fcntl

        number = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.fcntl(number, READ_LEASE, fcntl.F_RDLCK)
        fcntl.fcntl(number, READ_LEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(number)
    return False


class Journal:
    """Which files were answered, and as what: a JSON line each, added once the answer is out."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say, self.lines = path, say, 0

    def read(self) -> Optional[dict[Path, State]]:
        """None when there is none yet. A line that a kill cut off is left out."""
        try:
            lines = self.path.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"{self.path}: {error.strerror}. It does not know what it answered before.")
            return None
        found = {}
        for line in lines:
            try:
                name, size, changed = json.loads(line)
                found[self.path.parent / name] = (int(size), int(changed))
            except (ValueError, TypeError):
                continue
        return found

    def write(self, done: dict[Path, State]) -> None:
        """All anew, in one step: what was deleted from the folder is forgotten."""
        self.lines = len(done)
        fresh = self.path.with_suffix(".new")
        try:
            fresh.write_text("".join(map(self._line, done, done.values())), "ascii")
            fresh.replace(self.path)
        except OSError as error:
            self.say(f"{self.path}: {error.strerror}. After a restart it will not know what it answered.")

    def add(self, path: Path, done: dict[Path, State]) -> None:
        """`path`, of `done`; the journal is written anew when it has many lines more than that."""
        if self.lines > len(done) + SLACK:
            self.write(done)
            return
        try:
            with self.path.open("a", encoding="ascii") as stream:
                stream.write(self._line(path, done[path]))
            self.lines += 1
        except OSError:
            return  # said when it was begun

    def _line(self, path: Path, state: State) -> str:
        return json.dumps([str(path.relative_to(self.path.parent)), *state]) + "\n"


def files(folder: Path, endings: tuple[str, ...], trouble: Callable[[OSError], None]) -> Iterator[Path]:
    """The files in a folder and in those within that end so, by name; hidden ones are left out, links to folders not
    followed. `trouble` gets told of each folder that can't be read.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        trouble(error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from files(Path(entry.path), endings, trouble)
        elif entry.name.lower().endswith(endings) and entry.is_file():
            yield Path(entry.path)


# --- cameras ------------------------------------------------------------------------------------------------


class NoLibraryError(ImportError):
    """Nothing that could read the camera; `broken` says of each library that is there why it does not load."""

    def __init__(self, broken: dict[str, Exception]) -> None:
        super().__init__("no library for cameras")
        self.broken = broken


def camera(source: str, interval: float, size: Tuple[int, int]) -> Iterator[Tuple[str, Any]]:
    """A (name, Pillow image) every `interval` seconds, to the end of a film.

    `source` is a camera's number, for picamera2 where that is installed, else for OpenCV; or a film or an address that
    OpenCV reads. The picture is at least of `size` (width, height).
    """
    frames = _frames(source, interval, (max(640, size[0]), max(480, size[1])))
    try:
        for image in frames:
            yield f"camera {source} {time.strftime('%Y-%m-%dT%H:%M:%S')}", image
    finally:
        frames.close()  # lets go of the camera


def _frames(source: str, interval: float, size: Tuple[int, int]) -> Any:
    broken: dict[str, Exception] = {}
    picamera2 = _loaded("picamera2", broken) if source.isdigit() else None
    if picamera2:
        return _picamera(picamera2.Picamera2, int(source), interval, size)
    cv2 = _loaded("cv2", broken)
    if not cv2:
        raise NoLibraryError(broken)
    return _opencv(cv2, source, interval, size, broken)


def _loaded(name: str, broken: dict[str, Exception]) -> Any:
    """That library; None where it is not installed, or (then with why in `broken`) does not load."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - one that was built for another NumPy raises ValueError
        if not isinstance(error, ModuleNotFoundError) or error.name != name:
            broken[name] = error
        return None


def _picamera(picamera2: Any, number: int, interval: float, size: Tuple[int, int]) -> Iterator[Any]:
    try:
        device = picamera2(number)
    except (IndexError, RuntimeError) as error:
        raise OSError(f"picamera2 has no such camera, or another program uses it ({error}).") from None
    device.configure(device.create_video_configuration(main={"size": size}))
    device.start()
    try:
        while True:
            began = time.monotonic()
            yield device.capture_image("main")
            time.sleep(max(0.0, began + interval - time.monotonic()))
    finally:
        device.stop()
        device.close()


def _opencv(
    cv2: Any, source: str, interval: float, size: Tuple[int, int], broken: dict[str, Exception]
) -> Iterator[Any]:
    from PIL import Image

    number = source.isdigit()
    device = cv2.VideoCapture(int(source) if number else source)
    if not device.isOpened():
        if broken:  # the Raspberry Pi's own camera opens by picamera2 alone
            raise NoLibraryError(broken)
        raise OSError("it cannot be opened. Is it plugged in, and may you use it (group video)?")
    if number:
        device.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        device.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    try:
        while True:
            began = time.monotonic()
            good, frame = device.read()
            if not good:
                if number:
                    raise OSError("it gives no more pictures.")
                return  # a film has an end
            yield Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            # A camera's driver keeps old pictures: they are taken and left, so that the next one is of now.
            while time.monotonic() < began + interval:
                if not number:
                    time.sleep(max(0.0, began + interval - time.monotonic()))
                elif not device.grab():
                    break
    finally:
        device.release()
