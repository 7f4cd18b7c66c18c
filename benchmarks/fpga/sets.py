"""What the nets learn, as zips of pictures for a portal: handwritten digits, CIFAR-10 in colour and in grey, and spoken
digits as features.
"""

import io
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

PICTURES, RECORDINGS = "cifar10-5k.zip", "spoken-digits.zip"
TEST = 1000  # the most that are kept for testing; at least four fifths stay for training

# Keywords as features: 49 frames of 40 ms, 20 ms apart, of ten bands on the mel scale (Zhang et al. 2017,
# arXiv 1711.07128, take ten cepstral coefficients; these are the bands' logarithms).
RATE, FRAME, STEP, FRAMES, BANDS = 8000, 320, 160, 49, 10
_LOUDEST = 32  # natural logarithms go from 0 to less than this


def digits(_folder: Path) -> bytes:
    """8 × 8 in grey."""
    found = load_digits()
    grey = (found.images * 15.9).astype(np.uint8)
    samples = zip(found.target, grey, strict=True)
    return _packed([(str(label), _png(Image.fromarray(each))) for label, each in samples])


def pictures(folder: Path) -> bytes:
    """32 × 32 in colour, as they are."""
    return _packed(_files(folder / PICTURES, lambda content: _png(_opened(content, "RGB"))))


def grey_pictures(folder: Path) -> bytes:
    """28 × 28 in grey."""
    return _packed(_files(folder / PICTURES, lambda content: _png(_opened(content, "L").resize((28, 28)))))


def recordings(folder: Path) -> bytes:
    """49 × 10 in grey: the logarithms of bands, of the first second, in steps of an eighth."""
    return _packed(_files(folder / RECORDINGS, lambda content: _png(Image.fromarray(_features(content)))))


def _packed(samples: list[tuple[str, bytes]]) -> bytes:
    """Pictures with their labels, in folders for training and testing; drawn with a fixed seed."""
    order = np.random.default_rng(0).permutation(len(samples))
    test = min(TEST, len(samples) // 5)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for place, number in enumerate(order):
            label, content = samples[number]
            packed.writestr(f"{'test' if place < test else 'train'}/{label}/{number:05}.png", content)
    return stream.getvalue()


def _files(archive: Path, made: Callable[[bytes], bytes]) -> list[tuple[str, bytes]]:
    """What is made of each file of a zip with a folder for each class."""
    with zipfile.ZipFile(archive) as packed:
        names = sorted(name for name in packed.namelist() if not name.endswith("/") and "/" in name)
        return [(name.split("/")[-2], made(packed.read(name))) for name in names]


def _opened(content: bytes, mode: str) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert(mode)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _features(content: bytes) -> NDArray[np.uint8]:
    with wave.open(io.BytesIO(content)) as sound:
        assert sound.getframerate() == RATE
        samples = np.frombuffer(sound.readframes(RATE), np.int16).astype(np.float64)
    samples = np.pad(samples, (0, max(0, RATE - len(samples))))
    frames = np.stack([samples[at * STEP : at * STEP + FRAME] for at in range(FRAMES)])
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    loud = np.log(power @ np.stack(list(_bands()), axis=1) + 1)
    return np.clip(np.round(loud * (256 / _LOUDEST)), 0, 255).astype(np.uint8)


def _bands() -> Iterator[NDArray[np.float64]]:
    """Triangles that are alike on the mel scale (O'Shaughnessy 1987: 2595 · log10(1 + f / 700))."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        yield np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)
