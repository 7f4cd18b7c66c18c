"""Stand-ins for libraries that read cameras, which are hardware, and for a LiteRT that fails; run.py beside them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.export.conftest import Built

OPENCV = """
import numpy as np
CAP_PROP_FRAME_WIDTH = CAP_PROP_FRAME_HEIGHT = COLOR_BGR2RGB = 0
def cvtColor(frame, code): return np.ascontiguousarray(frame[:, :, ::-1])
class VideoCapture:
    def __init__(self, source): self.left, self.source = 3, source
    def isOpened(self): return self.source != 7
    def set(self, *_): pass
    def release(self): pass
    def grab(self): return True
    def read(self):
        self.left -= 1
        return self.left >= 0, np.load({frame!r})
"""
PICAMERA2 = """
import numpy as np
from PIL import Image
class Picamera2:
    def __init__(self, number):
        if number: raise IndexError("list index out of range")
    def create_video_configuration(self, main): return main
    def configure(self, main): assert main["size"] == (640, 480)
    def start(self): pass
    def stop(self): pass
    def close(self): print("closed")
    def capture_image(self, name): return Image.fromarray(np.load({frame!r})[:, :, ::-1])
"""
LITERT = """
class Interpreter:
    def __init__(self, model_content, num_threads): pass
    def allocate_tensors(self): pass
    def get_input_details(self): return [{"index": 0}]
    get_output_details = get_input_details
    def set_tensor(self, index, x): pass
    def invoke(self): raise RuntimeError("Node number 3 (CONV_2D) failed to invoke.")
"""


def run_beside(built: Built, libraries: Path, *args: object) -> "subprocess.CompletedProcess[str]":
    """run.py with the libraries of a folder in place of others."""
    argv = [sys.executable, "-s", str(built.bundle / "run.py"), *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(libraries)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, env=env)
