"""Pictures and rows become the same numbers in the browser as in training: bit for bit, run in Node."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from jobs.datasets.formats.pixels import pixels
from portal.kit import frontend

HERE = Path(__file__).parent
SPECS = (
    {"width": 32, "height": 32, "channels": 3},
    {"width": 96, "height": 64, "channels": 3},
    {"width": 28, "height": 28, "channels": 1},
    {"width": 224, "height": 224, "channels": 3},
    {"width": 320, "height": 256, "channels": 3},
)


def node(script: str, given: bytes) -> bytes:
    program = frontend.node_folder() / "bin" / "node"
    done = subprocess.run(
        [str(program), str(HERE / script)], input=given, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def photo(name: str) -> Image.Image:
    """One of scikit-learn's two photographs, 640 by 427."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image(name))


def see_through(image: Image.Image) -> Image.Image:
    """The same with transparency that runs from left to right."""
    alpha = np.broadcast_to(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, image.width))
    return Image.fromarray(np.dstack([np.asarray(image.convert("RGB")), alpha]))


def upside(image: Image.Image, orientation: int) -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif.tobytes()}


def jpegs(image: Image.Image) -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    odd = image.crop((3, 2, 620, 403))
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            given = {"subsampling": subsampling, "progressive": progressive, "quality": 83}
            yield f"{subsampling.replace(':', '')}-{progressive}.jpg", odd, given
    yield "grey.jpg", odd.convert("L"), {"quality": 75}
    yield "restarts.jpg", odd, {"restart_marker_blocks": 7, "quality": 60}
    yield "coarse.jpg", odd, {"quality": 5, "optimize": True}
    yield "rgb.jpg", odd, {"keep_rgb": True, "quality": 90}
    yield "turned.jpg", odd, upside(odd, 6)
    yield "mirrored.jpg", odd, upside(odd, 5)
    yield "large.jpg", image.resize((2000, 1501)), {"quality": 88}
    yield "sliver.jpg", image.crop((0, 0, 3, 200)), {"quality": 88}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "profile.jpg", odd, {"icc_profile": profile}


def pngs(image: Image.Image) -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    small = image.crop((0, 0, 301, 203))
    yield "rgb.png", small, {}
    yield "rgba.png", see_through(small), {}
    yield "grey.png", small.convert("L"), {}
    yield "grey-alpha.png", see_through(small).convert("LA"), {}
    yield "black-white.png", small.convert("1"), {}
    yield "palette.png", small.quantize(11), {}
    yield "palette-clear.png", small.quantize(200), {"transparency": 3}
    yield "colour-key.png", small, {"transparency": small.getpixel((5, 5))}
    wide = np.asarray(small.convert("L")).astype(np.uint16) * 257 + 19
    yield "16-bit.png", Image.fromarray(wide), {}
    yield "turned.png", small, upside(small, 8)


@pytest.mark.parametrize("kinds", [jpegs, pngs])
def test_a_picture_becomes_the_bytes_that_training_saw(kinds: Callable[..., Any], tmp_path: Path) -> None:
    files = []
    for name, image, options in kinds(photo("china.jpg")):
        image.save(tmp_path / name, **options)
        files.append(tmp_path / name)
    assert compared(files) == {}


def compared(files: list[Path]) -> dict[str, str]:
    """What differs, by file and size; `files` at all of SPECS."""
    given = {"files": list(map(str, files)), "specs": SPECS}
    stream = io.BytesIO(node("decode.mjs", json.dumps(given).encode()))
    wrong = {}
    for file in files:
        for spec in SPECS:
            wanted = python_pixels(file, spec)
            got = np.frombuffer(stream.read(wanted.size), dtype=np.uint8).reshape(wanted.shape)
            if not np.array_equal(got, wanted):
                off = np.abs(got.astype(int) - wanted)
                wrong[f"{file.name} {spec}"] = f"up to {off.max()} off, {np.mean(off > 0):.1%} of the values"
    assert stream.read() == b""
    return wrong


def python_pixels(file: Path, spec: dict[str, int]) -> NDArray[np.uint8]:
    with file.open("rb") as stream:
        return pixels(stream, size=(spec["height"], spec["width"]), channels=spec["channels"])
