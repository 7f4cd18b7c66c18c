"""run.py with a camera: by OpenCV, by picamera2, by neither."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.export.conftest import Built, run_py
from tests.export.standins import OPENCV, PICAMERA2, run_beside
from tests.export.test_runner import answers, digit
from tests.locked import LOCKS, unpacked

pytestmark = pytest.mark.train


def test_a_camera_by_opencv(digits: Built, tmp_path: Path) -> None:
    frame = np.zeros((48, 48, 3), np.uint8)
    frame[:, :24, 2] = 255  # red, in OpenCV's order
    np.save(tmp_path / "frame.npy", frame)
    Image.fromarray(frame[:, :, ::-1].copy()).save(tmp_path / "frame.png")
    (tmp_path / "cv2.py").write_text(OPENCV.replace("{frame!r}", repr(str(tmp_path / "frame.npy"))))
    done = run_beside(digits, tmp_path, "--json", "--camera", "film.avi", "--interval", 0)
    assert done.returncode == 0, done.stderr
    found = answers(done.stdout)
    wanted = answers(run_py(digits.bundle, "--json", tmp_path / "frame.png").stdout)[0]
    assert [line["scores"] for line in found] == [wanted["scores"]] * 3
    assert found[0]["input"].startswith("camera film.avi 20")
    gone = run_beside(digits, tmp_path, "--camera", 7)
    assert gone.returncode == 1
    assert "camera 7: it cannot be opened" in gone.stderr
    pulled = run_beside(digits, tmp_path, "--camera", "--interval", 0)
    assert (pulled.returncode, len(pulled.stdout.splitlines())) == (1, 3)
    assert "camera 0: it gives no more pictures" in pulled.stderr


FILM = """
import cv2, sys
film = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 64))
for path in sys.argv[2:]:
    film.write(cv2.imread(path))
film.release()
"""


def test_a_film_by_opencv_itself(digits: Built, tmp_path: Path) -> None:
    """What it shows is answered as the same pictures are."""
    opencv = unpacked(LOCKS / "board-camera.txt")
    pictures = [digit(tmp_path / f"{number}.png", number) for number in range(6)]
    for path in pictures:
        Image.open(path).resize((64, 64), Image.Resampling.NEAREST).save(path)
    argv = [sys.executable, "-s", "-c", FILM, str(tmp_path / "film.avi"), *map(str, pictures)]
    subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(opencv)}, check=True, timeout=60)
    done = run_beside(digits, opencv, "--json", "--camera", tmp_path / "film.avi", "--interval", 0)
    assert done.returncode == 0, done.stderr
    wanted = answers(run_py(digits.bundle, "--json", *pictures).stdout)
    assert [line["label"] for line in answers(done.stdout)] == [line["label"] for line in wanted]
    gone = run_beside(digits, opencv, "--camera", tmp_path / "none.avi")
    assert (gone.returncode, "Traceback" in gone.stderr) == (1, False)
    assert "it cannot be opened" in gone.stderr


LOSES_INTERRUPTS = """
    def capture_image(self, name):
        import time
        try:
            time.sleep(0.5)
        except KeyboardInterrupt:
            pass
        return Image.fromarray(np.load({frame!r}))
"""


@pytest.mark.parametrize("loses", [False, True])
def test_a_camera_by_picamera2(loses: bool, digits: Built, tmp_path: Path) -> None:
    """Ctrl-C ends it though a library that is at work just then makes nothing of it."""
    np.save(tmp_path / "frame.npy", np.zeros((48, 48, 3), np.uint8))
    library = PICAMERA2 + LOSES_INTERRUPTS[1:] if loses else PICAMERA2
    (tmp_path / "picamera2.py").write_text(library.replace("{frame!r}", repr(str(tmp_path / "frame.npy"))))
    argv = [sys.executable, "-s", str(digits.bundle / "run.py"), "--camera", "--interval", "0.01"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(2)]
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        rest, said = program.communicate(timeout=10)
    assert program.returncode == 0, said
    assert all(line.startswith("camera 0 20") for line in lines)
    assert rest.endswith("closed\n")  # the camera is let go of
    gone = run_beside(digits, tmp_path, "--camera", 1)
    assert "camera 1: picamera2 has no such camera" in gone.stderr


def test_no_library_for_a_camera(digits: Built) -> None:
    done = run_py(digits.bundle, "--camera")
    assert done.returncode == 1
    assert "--camera needs picamera2 or OpenCV" in done.stderr
    assert "-m pip install opencv-python-headless" in done.stderr


OTHER_NUMPY = (
    "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88"
)


def test_a_picamera2_that_was_built_for_another_numpy(digits: Built, tmp_path: Path) -> None:
    """Debian 12's, beside NumPy 2: what it imports raises ValueError."""
    (tmp_path / "picamera2.py").write_text(f"raise ValueError({OTHER_NUMPY!r})")
    said = f"""\
error: picamera2 is installed, but cannot be loaded: {OTHER_NUMPY}

    {sys.executable} -m pip install 'numpy<2'
"""
    alone = run_beside(digits, tmp_path, "--camera")
    assert alone.returncode == 1
    assert alone.stderr.endswith(said)
    assert "Traceback" not in alone.stderr
    np.save(tmp_path / "frame.npy", np.zeros((48, 48, 3), np.uint8))
    opencv = OPENCV.replace("{frame!r}", repr(str(tmp_path / "frame.npy")))
    (tmp_path / "cv2.py").write_text(opencv)
    beside = run_beside(digits, tmp_path, "--camera", "--interval", 0)
    assert len(beside.stdout.splitlines()) == 3  # OpenCV serves
    not_opened = run_beside(digits, tmp_path, "--camera", 7)
    assert not_opened.stderr.endswith(said)
    film = run_beside(digits, tmp_path, "--camera", "film.avi", "--interval", 0)
    assert film.returncode == 0, film.stderr  # picamera2 is not asked
    (tmp_path / "cv2.py").write_text("import libGL")
    neither = run_beside(digits, tmp_path, "--camera", "film.avi")
    assert "cv2 is installed, but cannot be loaded: No module named 'libGL'" in neither.stderr
    assert "-m pip install opencv-python-headless" in neither.stderr
    assert "Traceback" not in neither.stderr


@pytest.mark.parametrize("interval", ["inf", "nan", "-1", "1e300"])
def test_an_interval_that_no_clock_can_wait(digits: Built, tmp_path: Path, interval: str) -> None:
    np.save(tmp_path / "frame.npy", np.zeros((48, 48, 3), np.uint8))
    (tmp_path / "cv2.py").write_text(OPENCV.replace("{frame!r}", repr(str(tmp_path / "frame.npy"))))
    done = run_beside(digits, tmp_path, "--camera", "film.avi", f"--interval={interval}")
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False)
    assert "--interval 0 to 1000000 seconds" in done.stderr
